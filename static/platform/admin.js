// Small manners of every page: copy buttons, "are you sure", Tab in JSON fields, red borders where a field has problems.
(() => {
  "use strict";

  const copied = (button) => {
    const label = button.querySelector("[data-label]") || button;
    const before = label.textContent;
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = before; }, 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const text = source.textContent;
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(() => copied(button));
      return;
    }
    const area = document.createElement("textarea");  // plain http, where there is no clipboard API
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    copied(button);
  });

  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.ask;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    const area = event.target;
    if (event.key !== "Tab" || event.shiftKey || !area.classList || !area.classList.contains("mcp-json-input")) return;
    if (area.selectionStart === area.selectionEnd && area.value.trim() === "") return;  // an empty field: Tab goes on
    event.preventDefault();
    area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end");
  });

  // A new state: the members of its type, as long as nothing was typed.
  const offerConfig = () => {
    const data = document.getElementById("mcp-configs");
    const type = document.getElementById("id_type");
    const config = document.getElementById("id_config");
    if (!data || !type || !config) return;
    const configs = JSON.parse(data.textContent);
    let offered = config.value;
    type.addEventListener("change", () => {
      if (config.value !== offered) return;
      offered = config.value = JSON.stringify(configs[type.value] || {}, null, 2);
    });
  };

  const markFields = () => {
    for (const note of document.querySelectorAll("#content .mt-2.text-red-600")) {
      if (!note.textContent.trim()) continue;
      const box = note.parentElement.querySelector("input:not([type=hidden]), textarea, select");
      if (box) box.classList.add("mcp-has-problem");
    }
  };

  // The answer to a POST that must not be sent twice by a reload.
  const settle = () => {
    const page = document.querySelector("[data-here]");
    if (page) window.history.replaceState(null, "", page.dataset.here);
  };

  // A large picture opens at its start.
  const findStart = () => {
    const graph = document.querySelector(".mcp-graph");
    const start = graph && graph.querySelector(".start");
    if (start) graph.scrollTop += start.getBoundingClientRect().top - graph.getBoundingClientRect().top - graph.clientHeight / 2;
  };

  // What the policy for running conversations needs to know is asked only where it counts.
  const followPolicy = () => {
    const policy = document.getElementById("mcp-live");
    if (!policy) return;
    const show = () => { for (const part of document.querySelectorAll("[data-live]")) part.hidden = part.dataset.live !== policy.value; };
    policy.addEventListener("change", show);
    show();
  };

  // The theme's own listener writes the file's name into a text field beside it; without one it fails, with another's it writes there.
  const ownFiles = () => {
    for (const input of document.querySelectorAll("input.mcp-file")) input.hasChangeListener = true;
  };

  document.addEventListener("DOMContentLoaded", () => { ownFiles(); followPolicy(); findStart(); offerConfig(); markFields(); settle(); });
})();
