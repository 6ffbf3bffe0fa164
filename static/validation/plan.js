// The plan of a storey: the server's SVG, moved and magnified here. What is clicked opens its findings; changes redraw it in place.
(() => {
  "use strict";

  const { el, make, words, config, SEVERITIES, api, attempt, picture, live, select, watchers, follow, address, openPanel, later } = window.Codes;
  const wanted = new URLSearchParams(location.search);
  const stage = el("canvas");
  let storeys = [], storey = wanted.get("storey") || "", plan = null, whole = [0, 0, 100, 100], view = [0, 0, 100, 100], chosen = "", finding = "", theirs = [];
  let showRoutes = true, showNames = true, showUnknown = false;

  const apply = () => { if (plan) plan.setAttribute("viewBox", view.map((value) => value.toFixed(2)).join(" ")); };
  // The picture keeps its proportions, so the box that is seen is wider or higher than the one that is asked for.
  const seen = () => {
    const box = stage.getBoundingClientRect(), scale = Math.min(box.width / view[2], box.height / view[3]);
    return { scale, left: view[0] - (box.width / scale - view[2]) / 2, top: view[1] - (box.height / scale - view[3]) / 2, box };
  };
  const at = (event) => { const { scale, left, top, box } = seen(); return [left + (event.clientX - box.left) / scale, top + (event.clientY - box.top) / scale]; };
  const zoom = (factor, [x, y]) => {
    const width = Math.min(Math.max(view[2] * factor, 60), whole[2] * 3), by = width / view[2];
    view = [x - (x - view[0]) * by, y - (y - view[1]) * by, width, view[3] * by];
    apply();
  };
  const fit = () => { view = [...whole]; apply(); };
  const middle = () => [view[0] + view[2] / 2, view[1] + view[3] / 2];
  const near = (gid) => {
    const node = plan && plan.querySelector(`[data-id="${CSS.escape(gid)}"]`);
    if (!node || !node.getBBox) return;
    const box = node.getBBox(), width = Math.max(box.width * 3, 520), height = Math.max(box.height * 3, 380);
    view = [box.x + box.width / 2 - width / 2, box.y + box.height / 2 - height / 2, width, height];
    apply();
  };

  let drag = null;
  const fingers = new Map();
  stage.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, at(event)); }, { passive: false });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    fingers.set(event.pointerId, event);
    drag = { from: [event.clientX, event.clientY], view: [...view], moved: false };
    el("tip").hidden = true;
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) { hover(event); return; }
    if (fingers.size === 2) {
      const [one, two] = [...fingers.values()], before = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
      fingers.set(event.pointerId, event);
      const [a, b] = [...fingers.values()];
      zoom(before / Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)), at({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }));
      drag.moved = true;
      return;
    }
    const { scale } = seen(), dx = event.clientX - drag.from[0], dy = event.clientY - drag.from[1];
    if (Math.hypot(dx, dy) > 4) { drag.moved = true; stage.setPointerCapture(event.pointerId); stage.classList.add("dragging"); }
    view = [drag.view[0] - dx / scale, drag.view[1] - dy / scale, drag.view[2], drag.view[3]];
    apply();
  });
  const release = (event) => {
    fingers.delete(event.pointerId);
    if (drag && !drag.moved && event.type === "pointerup") { const node = event.target.closest && event.target.closest("[data-id], [data-subject]"); choose(node ? node.dataset.id || node.dataset.subject : ""); }
    stage.classList.remove("dragging");
    drag = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("pointerleave", () => { el("tip").hidden = true; });

  const hover = (event) => {
    const node = event.target.closest && event.target.closest("[data-id], [data-subject]"), tip = el("tip");
    const told = node && node.querySelector("title");
    tip.hidden = !told;
    if (!told) return;
    const [what, ...rest] = told.textContent.split(": "), box = stage.getBoundingClientRect();
    tip.replaceChildren(make("b", "", what), ...(rest.length ? [make("small", "", rest.join(": "))] : []));
    tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - 230)}px`;
    tip.style.top = `${Math.min(event.clientY - box.top + 14, box.height - 70)}px`;
  };

  const over = (text) => { el("over").hidden = !text; el("over-text").textContent = text || ""; };
  const draw = async (keep) => {
    const of = storey;
    let fresh, marks = {};
    try { [fresh, { findings: marks }] = await Promise.all([picture(new URLSearchParams({ storey, ...(showUnknown ? { unknown: "true" } : {}) })), api("GET", "violations")]); } catch (fault) { over(fault.status === 404 ? "There is no plan of this storey." : fault.message); return; }
    if (of !== storey) return;
    over("");
    const same = Boolean(plan) && keep;
    const before = same ? new Set([...plan.querySelectorAll(".finding")].map((node) => node.dataset.id)) : null;
    if (plan) plan.remove();
    plan = fresh;
    plan.setAttribute("preserveAspectRatio", "xMidYMid meet");
    plan.classList.add("vc-plan");
    stage.prepend(plan);
    whole = plan.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    if (!same) view = [...whole];
    apply();
    // Small things over large ones: a door in a room with a finding of its own can be clicked.
    const size = (node) => { const box = node.getBBox(); return box.width * box.height; };
    for (const node of [...plan.querySelectorAll(".finding")].sort((a, b) => size(b) - size(a))) node.parentNode.append(node);
    for (const node of plan.querySelectorAll(".finding")) {
      node.classList.toggle("unknown", (marks[node.dataset.id] || [])[3] === "not_evaluable");
      node.setAttribute("tabindex", "0");
      node.setAttribute("role", "button");
      if (before && !before.has(node.dataset.id)) node.classList.add("came");
    }
    options();
    mark();
    legend();
    document.body.dataset.plan = storey;
  };
  const options = () => {
    stage.classList.toggle("no-routes", !showRoutes);
    stage.classList.toggle("no-names", !showNames);
    el("routes").setAttribute("aria-pressed", String(showRoutes));
    el("names").setAttribute("aria-pressed", String(showNames));
    el("unknown").setAttribute("aria-pressed", String(showUnknown));
  };
  const mark = () => {
    if (!plan) return;
    for (const node of plan.querySelectorAll(".chosen, .theirs")) node.classList.remove("chosen", "theirs");
    for (const [ids, name] of [[[chosen], "chosen"], [theirs, "theirs"]]) for (const gid of ids) if (gid) for (const node of plan.querySelectorAll(`[data-id="${CSS.escape(gid)}"], [data-subject="${CSS.escape(gid)}"]`)) node.classList.add(name);
    stage.classList.toggle("has-chosen", Boolean(chosen));
  };
  const legend = () => {
    const parts = SEVERITIES.map((name) => [name, plan.querySelectorAll(`.finding.${name}:not(.unknown)`).length]).filter(([, count]) => count).map(([name, count]) => make("span", `vc-dot ${name}`, `${words(name)} ${count}`));
    const unknown = plan.querySelectorAll(".finding.unknown").length;
    if (unknown) parts.push(make("span", "vc-dot unknown", `Not evaluable ${unknown}`));
    const key = (colour, text, kind = "") => { const node = make("span", `vc-key ${kind}`, text); node.style.setProperty("--key", colour); return node; };
    if (!parts.length) parts.push(key("var(--sev-ok)", "nothing is found on this storey"));
    if (plan.querySelector(".route")) parts.push(key("#2e7d32", "way out", "route"));
    if (plan.querySelector(".corridor")) parts.push(key("var(--plan-corridor)", "corridor"));
    if (plan.querySelector(".space.stair")) parts.push(key("var(--plan-stair)", "exit stair"));
    if (plan.querySelector(".door.exit")) parts.push(key("#2e7d32", "exit door"));
    el("legend").replaceChildren(...parts);
  };

  const drawStoreys = (violations, inStorey) => {
    el("storeys").replaceChildren(...[...storeys].reverse().map((one) => {
      const button = make("button"), marks = make("span", "vc-marks");
      button.type = "button";
      button.setAttribute("aria-current", String(one.id === storey));
      for (const name of SEVERITIES) { const count = (inStorey.get(one.id) || {})[name]; if (count) { const node = make("span", `vc-count ${name}`); node.append(make("b", "", String(count))); node.title = `${count} ${name}`; marks.append(node); } }
      button.append(make("span", "", one.name), marks);
      button.addEventListener("click", () => go(one.id));
      return button;
    }));
    const here = storeys.find((one) => one.id === storey);
    el("storey-name").textContent = here ? here.name : "";
    el("to-model").href = `${config.pages.model}?${new URLSearchParams({ ...(storey ? { storey } : {}), ...(finding ? { finding } : {}) })}`;
  };
  const counts = async () => {
    const groups = await Promise.all(SEVERITIES.map((severity) => api("GET", `findings/groups?by=storey&outcome=fail&severity=${severity}&state=open,acknowledged,in_progress,fixed,reopened`)));
    const found = new Map();
    groups.forEach((list, index) => list.forEach((group) => found.set(group.key, { ...found.get(group.key), [SEVERITIES[index]]: group.count })));
    return found;
  };
  let counted = new Map();

  const remember = () => {
    const query = new URLSearchParams();
    if (storey) query.set("storey", storey);
    if (finding) query.set("finding", finding);
    history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
    drawStoreys(null, counted);
  };
  const go = async (id) => {
    if (id === storey && plan) return;
    storey = id;
    choose("");
    remember();
    await draw(false);
  };

  const choose = async (gid, which = "") => {
    chosen = gid;
    mark();
    select(gid ? [gid] : []);
    if (!gid) { finding = ""; el("drawer").hidden = true; el("view").dataset.drawer = "closed"; remember(); return; }
    const list = await attempt(() => api("GET", `findings?subject=${encodeURIComponent(gid)}&limit=50`));
    if (!list || chosen !== gid) return;
    el("drawer").hidden = false;
    el("view").dataset.drawer = "open";
    if (!list.results.length) {
      const node = plan && plan.querySelector(`[data-id="${CSS.escape(gid)}"] title`), box = make("div", "vc-finding");
      finding = "";
      el("others").replaceChildren();
      el("drawer-page").hidden = true;
      box.append(make("h2", "", node ? node.textContent : gid), make("p", "mcp-faint", "Nothing is found here."), make("code", "mcp-mono", gid));
      el("panel").replaceChildren(box);
      remember();
      return;
    }
    const first = list.results.find((row) => row.id === which) || list.results[0];
    finding = first.id;
    el("others").replaceChildren(...(list.results.length > 1 ? list.results.map((row, index) => {
      const button = make("button", `vc-other ${row.severity}`, String(index + 1));
      button.type = "button";
      button.title = row.message;
      button.setAttribute("aria-pressed", String(row.id === first.id));
      button.addEventListener("click", () => choose(gid, row.id));
      return button;
    }) : []));
    el("drawer-page").hidden = false;
    el("drawer-page").href = address(config.finding, first.id);
    remember();
    await attempt(() => openPanel(first.id, el("panel")));
  };

  watchers.add((present) => { theirs = present.flatMap((one) => one.selection || []); mark(); });

  const renew = async () => {
    counted = await counts();
    drawStoreys(null, counted);
    await draw(true);
    if (chosen && !el("panel").contains(document.activeElement)) await choose(chosen, finding);
  };

  attempt(async () => {
    const summary = await api("GET", "summary");
    storeys = summary.storeys;
    follow(summary.work, () => location.reload());
    live(summary.stream, later(() => attempt(renew), 150));
    if (!storeys.length) { over("There is no model with storeys yet."); return; }
    counted = await counts();
    const which = wanted.get("finding");
    const told = which ? await api("GET", `findings/${which}`).catch(() => null) : null;
    if (told && told.storey) storey = told.storey;
    if (!storeys.some((one) => one.id === storey)) storey = (storeys.find((one) => counted.has(one.id)) || storeys[0]).id;
    drawStoreys(null, counted);
    await draw(false);
    if (told) { if (told.outcome !== "fail") { showUnknown = true; await draw(false); } await choose(told.subject, told.id); near(told.subject); }
  });

  el("fit").addEventListener("click", fit);
  el("nearer").addEventListener("click", () => zoom(1 / 1.4, middle()));
  el("farther").addEventListener("click", () => zoom(1.4, middle()));
  el("routes").addEventListener("click", () => { showRoutes = !showRoutes; options(); });
  el("unknown").addEventListener("click", () => { showUnknown = !showUnknown; options(); attempt(() => draw(true)); });
  el("names").addEventListener("click", () => { showNames = !showNames; options(); });
  el("drawer-close").addEventListener("click", () => choose(""));
  document.addEventListener("codes:changed", () => attempt(renew));
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && event.target.dataset && event.target.dataset.id) { choose(event.target.dataset.id); return; }
    const step = (by) => { const index = storeys.findIndex((one) => one.id === storey) + by; if (storeys[index]) go(storeys[index].id); };
    const deed = { f: fit, "+": () => zoom(1 / 1.4, middle()), "-": () => zoom(1.4, middle()), w: () => el("routes").click(), n: () => el("names").click(), PageUp: () => step(1), PageDown: () => step(-1), Escape: () => choose("") }[event.key];
    if (deed) { event.preventDefault(); deed(); }
  });
})();
