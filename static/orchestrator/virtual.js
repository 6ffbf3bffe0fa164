// The form of a virtual server: shows the names that the chosen tools would have, and which of them collide, before it is saved.
(() => {
  "use strict";

  const places = () => [...document.querySelectorAll("input[name='chosen']:checked")].map((box) => {
    const label = box.closest("label") || document.querySelector(`label[for='${box.id}']`);
    const [server, ...tool] = label.textContent.trim().split(" / ");
    return { server, tool: tool.join(" / ") };
  });

  const names = () => Object.fromEntries(
    document.getElementById("id_names").value.split("\n").filter((line) => line.includes("=")).map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );

  const line = (text, variant) => {
    const row = document.createElement("p");
    const mark = document.createElement("span");
    mark.className = `mcp-badge ${variant}`;
    mark.textContent = text[0];
    row.append(mark, ` ${text[1]}`);
    row.style.marginBottom = "6px";
    return row;
  };

  const show = async (card) => {
    const given = names();
    const tools = places().map((one) => ({ ...one, name: given[`${one.server}/${one.tool}`] || "" }));
    card.hidden = tools.length === 0;
    if (card.hidden) return;
    const main = document.getElementById("id_at_main");
    const slug = card.dataset.slug || document.getElementById("id_slug")?.value || "";
    const answer = await fetch(card.dataset.preview, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Tenant": card.dataset.tenant, "X-CSRFToken": document.querySelector("[name='csrfmiddlewaretoken']").value },
      body: JSON.stringify({ tools, at_main: Boolean(main?.checked), slug }),
    });
    const told = await answer.json();
    const clashes = answer.ok ? told.clashes.map((one) => line([one.name || "(no name)", `${one.why}: ${one.places.join(", ")}`], "danger")) : [line(["?", told.detail], "danger")];
    const good = answer.ok ? told.names.map((one) => line([one.name, one.place], "success")) : [];
    card.querySelector("[data-names]").replaceChildren(...clashes, ...good);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const card = document.getElementById("mcp-preview");
    if (!card || !document.getElementById("id_names")) return;
    let waiting;
    const soon = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => show(card), 250);
    };
    document.addEventListener("change", (event) => { if (["chosen", "at_main"].includes(event.target.name)) soon(); });
    document.getElementById("id_names").addEventListener("input", soon);
    soon();
  });
})();
