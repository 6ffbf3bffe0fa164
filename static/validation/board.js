// The findings board. What is chosen stands in the address; rows come by keyset, page by page; changes of others appear without a reload.
(() => {
  "use strict";

  const { el, make, svg, icon, words, number, later, config, SEVERITIES, api, ask, attempt, toast, live, select, follow, address, openPanel, why, askWaiver, face } = window.Codes;
  const MANY = ["id", "severity", "state", "category", "outcome", "rule", "storey", "discipline", "ifc_class", "subject", "assignee"];
  const ONE = ["due", "there", "text"];
  const VIEW = ["group", "ordering"];
  const PAGE = 60;

  let chosen = {}, view = {}, summary = null, lists = [], current = "", opened = "", picked = new Map(), everything = false, total = 0, generation = 0;

  const readAddress = () => {
    const given = new URLSearchParams(location.search);
    chosen = {};
    for (const name of MANY) { const values = given.getAll(name).flatMap((value) => value.split(",")).filter(Boolean); if (values.length) chosen[name] = values; }
    for (const name of ONE) if (given.get(name)) chosen[name] = given.get(name);
    view = Object.fromEntries(VIEW.map((name) => [name, given.get(name) || ""]));
    opened = given.get("open") || "";
    el("text").value = chosen.text || "";
    el("group").value = view.group;
    el("ordering").value = view.ordering;
  };
  const query = (more = {}) => {
    const found = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...chosen, ...more })) for (const one of [value].flat()) if (one !== "") found.append(name, one);
    return found;
  };
  const writeAddress = (push) => {
    const found = query(Object.fromEntries(VIEW.filter((name) => view[name]).map((name) => [name, view[name]])));
    if (opened) found.set("open", opened);
    const there = `${location.pathname}${found.size ? `?${found}` : ""}`;
    if (there !== location.pathname + location.search) history[push ? "pushState" : "replaceState"](null, "", there);
  };
  const choose = (name, values) => {
    if (values && values.length) chosen[name] = values; else delete chosen[name];
    everything = false;
    writeAddress(true);
    drawFilters();
    load();
  };
  const toggle = (name, value) => {
    const now = chosen[name] || [];
    choose(name, now.includes(value) ? now.filter((one) => one !== value) : [...now, value]);
  };

  const percent = (share) => (share === null || share === undefined ? "–" : `${(share * 100).toFixed(share === 1 ? 0 : 1).replace(/\.0$/, "")} %`);
  const variant = (status) => (status.startsWith("non") ? "danger" : status.startsWith("compliant") ? "success" : status ? "warning" : "");

  const drawScore = () => {
    const score = summary.score;
    el("score").textContent = score === null ? "–" : score.toFixed(1).replace(/\.0$/, "");
    el("ring").querySelector(".value").setAttribute("stroke-dasharray", `${score || 0} 100`);
    el("ring").setAttribute("class", `vc-ring ${score === null ? "none" : variant(summary.status)}`);
    el("ring").setAttribute("aria-label", score === null ? "No score yet" : `Score ${score.toFixed(1)} of 100`);
    el("status").textContent = summary.status || "not checked yet";
    el("status").className = `mcp-badge ${variant(summary.status)}`;
    el("coverage").textContent = percent(summary.coverage);
    el("coverage-bar").style.width = `${(summary.coverage || 0) * 100}%`;
    const at = summary.last_run && summary.last_run.at ? `Last full check ${new Date(summary.last_run.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}` : "";
    el("checked").textContent = summary.rechecking ? `${at}${at ? " · " : ""}checking changes …` : at;
    el("formula").textContent = `${summary.formula}, with the weights ${summary.weights}. What cannot be evaluated never counts as passed: coverage says how much could be.`;
    el("upload").hidden = !config.may.upload;
    el("run").hidden = !config.may.run || summary.next_step === "upload" || summary.next_step === "rules";
  };

  const drawMatrix = () => {
    const cells = new Map(summary.matrix.map((one) => [`${one.severity} ${one.category}`, one.count]));
    const categories = [...new Set(summary.matrix.map((one) => one.category))];
    const most = Math.max(1, ...cells.values());
    const head = make("tr"), body = [];
    head.append(make("td"), ...categories.map((one) => { const cell = make("th", "", words(one)); cell.scope = "col"; return cell; }));
    for (const severity of SEVERITIES) {
      const row = make("tr"), name = make("th");
      name.scope = "row";
      name.append(make("span", `vc-sev ${severity}`, severity));
      row.append(name);
      for (const category of categories) {
        const cell = make("td"), count = cells.get(`${severity} ${category}`) || 0;
        if (count) {
          const button = make("button", `vc-cell ${severity}`, number(count));
          button.type = "button";
          button.style.setProperty("--heat", `${Math.round(14 + (60 * count) / most)}%`);
          button.title = `${number(count)} ${severity} in ${category}`;
          button.setAttribute("aria-pressed", String(same(chosen.severity, [severity]) && same(chosen.category, [category])));
          button.addEventListener("click", () => {
            const on = same(chosen.severity, [severity]) && same(chosen.category, [category]);
            if (on) { delete chosen.severity; delete chosen.category; } else { chosen.severity = [severity]; chosen.category = [category]; chosen.outcome = ["fail"]; }
            if (on) delete chosen.outcome;
            writeAddress(true); drawFilters(); drawMatrix(); load();
          });
          cell.append(button);
        } else cell.append(make("span", "vc-zero", "·"));
        row.append(cell);
      }
      body.push(row);
    }
    if (categories.length) el("matrix").replaceChildren(head, ...body);
    else { const row = make("tr"), cell = make("td", `vc-good ${summary.last_run ? "" : "pending"}`); cell.append(icon(summary.last_run ? "task_alt" : "pending"), make("span", "", summary.last_run ? "Nothing fails." : "Nothing was checked yet.")); row.append(cell); el("matrix").replaceChildren(row); }
    const { fail, not_evaluable, waived } = summary.totals;
    el("matrix-total").textContent = [`${number(fail)} fail`, not_evaluable ? `${number(not_evaluable)} not evaluable` : "", waived ? `${number(waived)} waived or set aside` : ""].filter(Boolean).join(" · ");
  };
  const same = (left, right) => Boolean(left) && left.length === right.length && right.every((one) => left.includes(one));

  const drawTrend = () => {
    const known = summary.trend.filter((one) => one.score !== null), spark = el("spark");
    spark.replaceChildren();
    spark.style.display = known.length > 1 ? "" : "none";
    if (known.length < 2) el("trend-text").textContent = known.length ? "one check so far" : "no check yet";
    else {
      const low = Math.min(...known.map((one) => one.score)), high = Math.max(...known.map((one) => one.score)), span = Math.max(high - low, 4);
      const at = known.map((one, index) => [4 + (292 * index) / (known.length - 1), 48 - (40 * (one.score - low)) / span]);
      const line = at.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" ");
      spark.append(svg("polygon", { points: `4,56 ${line} 296,56`, class: "area" }), svg("polyline", { points: line, class: "line" }), svg("circle", { cx: at[at.length - 1][0], cy: at[at.length - 1][1], r: 3.2, class: "dot" }));
      const delta = known[known.length - 1].score - known[known.length - 2].score;
      el("trend-text").textContent = `${known.length} checks, ${delta >= 0 ? "+" : "\u2212"}${Math.abs(delta).toFixed(1)} since the one before`;
    }
    const facts = summary.unlocks.slice(0, 3), rulesOf = (one) => (Array.isArray(one.rules) ? one.rules.length : one.rules || 0), unlocks = facts.reduce((sum, one) => sum + (one.unlocks ?? rulesOf(one)), 0);
    el("unlocks").hidden = !facts.length;
    el("unlock-title").textContent = `Fill ${facts.length === 1 ? "this fact" : `these ${facts.length} facts`} to unlock ${unlocks} ${facts.length && facts[0].unlocks !== undefined ? "check" : "rule"}${unlocks === 1 ? "" : "s"}`;
    el("unlock-list").replaceChildren(...facts.map((one) => {
      const item = make("li"), name = make("code", "mcp-mono", one.fact);
      item.append(name, make("span", "mcp-faint", `${number(one.subjects ?? 0)} element${one.subjects === 1 ? "" : "s"}, ${rulesOf(one)} rule${rulesOf(one) === 1 ? "" : "s"}`));
      if (Array.isArray(one.rules)) item.title = one.rules.map(title).join(", ");
      return item;
    }));
  };

  const NEXT = {
    upload: () => ["upload_file", "There is no model yet.", "Drop an IFC file on this page, or connect a CAD plugin: its changes appear here as they are made.", ["", ""]],
    rules: () => ["gavel", "There are no published rules yet.", "Import the starter pack, check its numbers against the code, and publish what you stand behind.", [config.rules, "To the rule sets"]],
    run: () => ["play_circle", "The model was not checked yet.", "The check runs in the background; findings appear here.", ["", ""]],
  };
  const drawNext = () => {
    const step = summary.totals.total || summary.work ? null : NEXT[summary.next_step];
    el("next").hidden = !step;
    el("board").hidden = Boolean(NEXT[summary.next_step]) && !summary.totals.total;
    if (!step) return;
    const [sign, text, more, [link, label]] = step();
    el("next-icon").textContent = sign;
    el("next-text").textContent = text;
    el("next-more").textContent = more;
    el("next-link").hidden = !link;
    el("next-link").textContent = label;
    if (link) el("next-link").href = link;
    el("next-upload").hidden = summary.next_step !== "upload" || !config.may.upload;
    el("next-run").hidden = summary.next_step !== "run" || !config.may.run;
  };
  const upload = (file) => attempt(async () => {
    if (!file) return;
    toast(`${file.name} is on its way …`);
    const form = new FormData();
    form.append("file", file);
    const made = await api("POST", "revisions", form);
    toast(`${file.name} is revision ${made.number}. It is read now.`);
    await settle();
  });
  // After an upload the check follows the reading: look a few times, so that both are shown.
  const settle = async (tries = 12) => {
    await look();
    if (summary.work || tries <= 0) return;
    setTimeout(() => attempt(() => settle(tries - 1)), 700);
  };
  const run = () => attempt(async () => { await api("POST", "runs", {}); toast("The check has begun."); await look(); });

  const FACETS = [
    ["severity", "Severity", (one) => words(one.key)], ["outcome", "Outcome", (one) => ({ fail: "Fails", not_evaluable: "Not evaluable" })[one.key] || one.key], ["state", "State", (one) => words(one.key)],
    ["category", "Category", (one) => words(one.key)], ["storey", "Storey", (one) => one.name || (one.key === "none" ? "No storey" : one.key)], ["rule", "Rule", (one) => one.name || one.key],
    ["discipline", "Discipline", (one) => (one.key === "none" ? "None" : words(one.key))], ["assignee", "Assignee", (one) => (one.key === "none" ? "Nobody" : one.name || one.key)],
  ];
  const ORDER = { severity: SEVERITIES, state: ["open", "reopened", "acknowledged", "in_progress", "fixed", "waived", "false_positive"], outcome: ["fail", "not_evaluable"] };
  const unfolded = new Set();

  const check = (name, value, label, count) => {
    const row = make("label", "vc-check"), box = make("input"), text = make("span", name === "severity" ? `vc-dot ${value}` : "", label);
    box.type = "checkbox";
    box.checked = (chosen[name] || []).includes(value);
    box.dataset.filter = `${name}=${value}`;
    box.addEventListener("change", () => toggle(name, value));
    row.append(box, text, make("span", "vc-n", count === undefined ? "" : number(count)));
    row.title = label;
    return row;
  };

  const drawFilters = () => {
    if (!summary) return;
    const focus = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.filter : "";
    const parts = FACETS.map(([name, title, label]) => {
      const given = summary.facets[name] || [], wanted = chosen[name] || [];
      const there = [...given, ...wanted.filter((value) => !given.some((one) => one.key === value)).map((key) => ({ key, name: "", count: 0 }))];
      if (name === "assignee" && config.me.id && !there.some((one) => one.key === config.me.id)) there.push({ key: config.me.id, name: `${config.me.name} (me)`, count: 0 });
      if (there.length < 2 && !wanted.length) return null;
      const rank = (one) => (ORDER[name] ? (ORDER[name].indexOf(one.key) + 99) % 99 : 0);
      const sorted = ORDER[name] ? there.sort((a, b) => rank(a) - rank(b)) : there;
      const box = make("fieldset"), legend = make("legend", "", title);
      if (wanted.length) { const clear = make("button", "mcp-link", "clear"); clear.type = "button"; clear.addEventListener("click", () => choose(name, [])); legend.append(clear); }
      box.append(legend);
      const few = unfolded.has(name) ? sorted : sorted.filter((one, index) => index < 6 || wanted.includes(one.key));
      box.append(...few.map((one) => check(name, one.key, label(one), one.count)));
      if (few.length < sorted.length) {
        const more = make("button", "mcp-link", `${sorted.length - few.length} more`);
        more.type = "button";
        more.addEventListener("click", () => { unfolded.add(name); drawFilters(); });
        box.append(more);
      }
      return box;
    }).filter(Boolean);
    const due = make("fieldset");
    due.append(make("legend", "", "Due"));
    const pick = make("select", "mcp-input");
    pick.setAttribute("aria-label", "Due");
    for (const [value, label] of [["", "Any day"], ["overdue", "Overdue"], ["week", "Within a week"], ["none", "No day"]]) pick.append(new Option(label, value));
    pick.value = chosen.due || "";
    pick.addEventListener("change", () => { if (pick.value) chosen.due = pick.value; else delete chosen.due; writeAddress(true); drawFilters(); load(); });
    const when = make("select", "mcp-input");
    when.setAttribute("aria-label", "Present or past");
    for (const [value, label] of [["", "There now"], ["gone", "No longer there"], ["all", "Both"]]) when.append(new Option(label, value));
    when.value = chosen.there || "";
    when.addEventListener("change", () => { if (when.value) chosen.there = when.value; else delete chosen.there; writeAddress(true); drawFilters(); load(); });
    due.append(pick, when);
    el("filters").replaceChildren(...parts, due);
    if (focus) { const again = el("filters").querySelector(`[data-filter="${CSS.escape(focus)}"]`); if (again) again.focus(); }
    drawChosen();
  };

  const nameOf = (name, value) => {
    const facet = FACETS.find(([one]) => one === name), known = summary && (summary.facets[name] || []).find((one) => one.key === value);
    return facet ? facet[2](known || { key: value, name: value === config.me.id ? "me" : "" }) : value;
  };
  const drawChosen = () => {
    const chips = Object.entries(chosen).flatMap(([name, values]) => [values].flat().map((value) => {
      const chip = make("button", "vc-chip", MANY.includes(name) ? nameOf(name, value) : name === "text" ? `“${value}”` : words(value));
      chip.type = "button";
      chip.title = "Take this filter away";
      chip.append(icon("close"));
      chip.addEventListener("click", () => { if (MANY.includes(name)) toggle(name, value); else { delete chosen[name]; if (name === "text") el("text").value = ""; writeAddress(true); drawFilters(); load(); } });
      return chip;
    }));
    if (chips.length > 1) {
      const clear = make("button", "mcp-link", "Clear all");
      clear.type = "button";
      clear.addEventListener("click", () => { chosen = {}; el("text").value = ""; writeAddress(true); drawFilters(); drawMatrix(); load(); });
      chips.push(clear);
    }
    el("chosen").replaceChildren(...chips);
    el("chosen").hidden = !chips.length;
    const count = Object.values(chosen).flat().length;
    el("filter-count").textContent = count ? `Filters ${count}` : "Filters";
  };

  const due = (on) => {
    if (!on) return null;
    const days = Math.round((Date.parse(on) - Date.parse(new Date().toISOString().slice(0, 10))) / 86400000);
    const node = make("span", `vc-due ${days < 0 ? "late" : days <= 7 ? "soon" : ""}`, new Date(`${on}T00:00`).toLocaleDateString(undefined, { day: "numeric", month: "short" }));
    node.prepend(icon("event"));
    node.title = days < 0 ? `${-days} days late` : `due in ${days} days`;
    return node;
  };
  const storeyName = (id) => (summary && (summary.storeys.find((one) => one.id === id) || {}).name) || "";
  const title = (rule) => (summary && ((summary.facets.rule || []).find((one) => one.key === rule) || {}).name) || rule;

  const rowOf = (one) => {
    const row = make("li", `vc-row ${one.severity}${one.outcome === "not_evaluable" ? " open-question" : ""}${["waived", "false_positive", "fixed"].includes(one.state) ? " quiet" : ""}`);
    row.dataset.id = one.id;
    row.dataset.fingerprint = one.fingerprint;
    const box = make("input"), link = make("a", "vc-what");
    box.type = "checkbox";
    box.checked = everything || picked.has(one.id);
    box.setAttribute("aria-label", `Select ${one.message || one.rule}`);
    box.addEventListener("change", () => pick(one, box.checked));
    link.href = address(config.finding, one.id);
    link.addEventListener("click", (event) => { if (event.metaKey || event.ctrlKey || event.shiftKey) return; event.preventDefault(); show(one.id); });
    link.append(make("b", "", title(one.rule)), make("span", "vc-says", one.message || (one.missing.length ? `Not known: ${one.missing.join(", ")}` : "")));
    const element = make("span", "vc-element");
    element.append(make("b", "", one.subject_name || one.subject), make("small", "", [one.ifc_class.replace(/^Ifc/, ""), storeyName(one.storey)].filter(Boolean).join(" · ")));
    const values = make("span", "vc-values");
    if (one.outcome === "not_evaluable") values.append(make("span", "mcp-badge info", "not evaluable"));
    else if (one.shown.actual !== "–") { values.append(make("b", "", one.shown.actual), make("small", "", `needs ${one.shown.required}`)); values.title = `margin ${one.shown.margin}`; }
    const ends = make("span", "vc-ends");
    if (one.ml_score !== null && view.ordering === "ml_score") ends.append(make("span", "vc-rank", `${Math.round(one.ml_score * 100)} %`));
    const day = due(one.due_on);
    if (day) ends.append(day);
    if (one.assignee) ends.append(face(one.assignee.name, `Assigned to ${one.assignee.name}`));
    ends.append(make("span", `vc-state-chip ${one.state}`, words(one.state)));
    const lead = make("span", "vc-lead");
    lead.append(box, make("span", `vc-sev-bar ${one.severity}`));
    lead.lastChild.title = one.severity;
    row.append(lead, link, element, values, ends);
    row.item = one;
    return row;
  };

  const lines = () => [...el("rows").querySelectorAll(".vc-row")];
  const mark = () => {
    for (const row of lines()) {
      row.classList.toggle("current", row.dataset.id === current);
      row.classList.toggle("opened", row.dataset.id === opened);
      row.querySelector("input").checked = everything || picked.has(row.dataset.id);
    }
  };

  // A list is a run of rows with its own cursor: the whole board, or one group.
  const listOf = (more, where) => ({ more, where, next: "", shown: 0, busy: false });
  const fetchPage = async (list, limit = PAGE) => {
    const found = query(list.more);
    if (view.ordering) found.set("ordering", view.ordering);
    if (list.next) found.set("cursor", list.next);
    found.set("limit", limit);
    return api("GET", `findings?${found}`);
  };
  const extend = async (list) => {
    if (list.busy) return;
    list.busy = true;
    const of = generation;
    try {
      const page = await fetchPage(list);
      if (of !== generation) return;
      list.next = page.next || "";
      list.shown += page.results.length;
      list.where.append(...page.results.map(rowOf));
      if (page.total !== null && list === lists[0] && !view.group) counted(page.total);
      more();
      mark();
    } finally { list.busy = false; }
  };
  const counted = (count) => {
    total = count;
    el("total").textContent = count === 1 ? "1 finding" : `${number(count)} findings`;
    empty();
    bulk();
  };
  const more = () => {
    for (const list of lists) {
      const tail = list.tail || (list === lists[0] && !view.group ? el("more") : null);
      if (tail) tail.hidden = !list.next;
    }
  };
  const empty = () => {
    const box = el("nothing");
    box.hidden = total > 0;
    if (total) return;
    const filtered = Object.keys(chosen).length > 0;
    box.replaceChildren(icon(filtered ? "filter_alt_off" : "task_alt"), make("p", "", filtered ? "No finding is left by these filters." : summary && summary.last_run ? "Nothing fails. Every rule that could be judged holds." : "There is no finding."));
    if (filtered) { const clear = make("button", "mcp-button", "Clear the filters"); clear.type = "button"; clear.style.marginTop = "12px"; clear.addEventListener("click", () => { chosen = {}; el("text").value = ""; writeAddress(true); drawFilters(); load(); }); box.append(clear); }
  };

  const load = async () => {
    generation += 1;
    const of = generation;
    el("rows").classList.add("waiting");
    await attempt(async () => {
      if (view.group) { await loadGroups(of); return; }
      const list = listOf({}, el("rows"));
      const page = await fetchPage(list);
      if (of !== generation) return;
      lists = [list];
      list.next = page.next || "";
      list.shown = page.results.length;
      el("rows").replaceChildren(...page.results.map(rowOf));
      counted(page.total);
      more();
      mark();
    });
    if (of === generation) el("rows").classList.remove("waiting");
  };

  const openGroups = new Set();
  const GROUP_FILTER = { rule: "rule", storey: "storey", severity: "severity", category: "category", discipline: "discipline", subject: "subject", assignee: "assignee", state: "state" };
  const loadGroups = async (of) => {
    const groups = await api("GET", `findings/groups?${query({ by: view.group })}`);
    if (of !== generation) return;
    lists = [];
    el("more").hidden = true;
    const nodes = groups.map((group) => {
      const item = make("li", "vc-group"), head = make("button", "vc-group-head"), rows = make("ul", "vc-rows inner"), tail = make("button", "mcp-button small vc-group-more", "Show more");
      head.type = tail.type = "button";
      const name = view.group === "storey" && group.key === "none" ? "No storey" : view.group === "assignee" && group.key === "none" ? "Nobody" : group.name || words(group.key);
      head.append(icon("chevron_right"), make("b", "", name));
      if (["rule", "subject"].includes(view.group) && group.name) head.append(make("code", "mcp-mono mcp-faint", group.key));
      const bars = make("span", "vc-bars");
      for (const severity of SEVERITIES) if (group.severities[severity]) { const bar = make("span", `vc-count ${severity}`); bar.append(make("b", "", number(group.severities[severity]))); bar.title = severity; bars.append(bar); }
      head.append(bars, make("span", "vc-n", number(group.count)));
      const list = listOf({ [GROUP_FILTER[view.group]]: group.key }, rows);
      list.tail = tail;
      tail.hidden = rows.hidden = true;
      const unfold = async (on) => {
        head.setAttribute("aria-expanded", String(on));
        rows.hidden = !on;
        tail.hidden = !on || !list.next;
        if (on) openGroups.add(group.key); else openGroups.delete(group.key);
        if (on && !list.shown) await extend(list);
      };
      head.addEventListener("click", () => attempt(() => unfold(rows.hidden)));
      tail.addEventListener("click", () => attempt(() => extend(list)));
      item.append(head, rows, tail);
      lists.push(list);
      item.unfold = unfold;
      item.key = group.key;
      return item;
    });
    el("rows").replaceChildren(...nodes);
    counted(groups.reduce((sum, group) => sum + group.count, 0));
    if (nodes.length && !nodes.some((node) => openGroups.has(node.key))) openGroups.add(nodes[0].key);
    for (const node of nodes) node.querySelector(".vc-group-head").setAttribute("aria-expanded", "false");
    await Promise.all(nodes.filter((node) => openGroups.has(node.key)).slice(0, 10).map((node) => node.unfold(true)));
  };

  // What others have changed: the rows that are shown are read again and compared; what went fades, what came or changed lights up.
  const renew = async () => {
    if (view.group) { const top = document.documentElement.scrollTop; generation += 1; await loadGroups(generation); document.documentElement.scrollTop = top; return; }
    const list = lists[0];
    if (!list || list.busy) return;
    const of = generation, wanted = Math.max(PAGE, list.shown), fresh = [];
    const again = { ...list, next: "" };
    let next = "", count = null;
    do {
      again.next = next;
      const page = await fetchPage(again, Math.min(200, wanted - fresh.length));
      if (count === null) count = page.total;
      fresh.push(...page.results);
      next = page.next || "";
    } while (next && fresh.length < wanted);
    if (of !== generation) return;
    const old = new Map(lines().map((row) => [row.dataset.id, row])), there = new Set(fresh.map((one) => one.id));
    const gone = [...old.values()].filter((row) => !there.has(row.dataset.id));
    for (const row of gone) row.classList.add("going");
    if (gone.length) await new Promise((done) => setTimeout(done, 650));
    if (of !== generation) return;
    const nodes = fresh.map((one) => {
      const before = old.get(one.id);
      if (before && JSON.stringify(before.item) === JSON.stringify(one)) return before;
      const row = rowOf(one);
      row.classList.add(before ? "changed" : "came");
      return row;
    });
    for (const id of [...picked.keys()]) if (old.has(id) && !there.has(id)) picked.delete(id);
    el("rows").replaceChildren(...nodes);
    list.next = next;
    list.shown = fresh.length;
    counted(count);
    more();
    mark();
  };

  const show = async (id) => {
    opened = current = id;
    writeAddress(true);
    mark();
    el("drawer").hidden = false;
    el("board").dataset.drawer = "open";
    el("drawer-page").href = address(config.finding, id);
    const found = await attempt(() => openPanel(id, el("panel")));
    if (found) { el("panel").scrollTop = 0; select([found.dataset.subject]); }
    if (found === undefined) hide();
  };
  const hide = () => {
    opened = "";
    writeAddress(true);
    el("drawer").hidden = true;
    el("board").dataset.drawer = "closed";
    select([]);
    mark();
  };

  const pick = (one, on) => {
    everything = false;
    if (on) picked.set(one.id, one); else picked.delete(one.id);
    mark();
    bulk();
  };
  const bulk = () => {
    const shown = lines(), count = everything ? total : picked.size;
    el("bulk").hidden = !count;
    el("bulk-count").textContent = `${number(count)} selected`;
    el("bulk-all").hidden = everything || view.group !== "" || picked.size < shown.length || total <= shown.length;
    el("bulk-all").textContent = `Select all ${number(total)}`;
    el("all").checked = shown.length > 0 && (everything || shown.every((row) => picked.has(row.dataset.id)));
    el("all").indeterminate = !el("all").checked && picked.size > 0;
    for (const name of ["bulk-state", "bulk-assignee", "bulk-due"]) el(name).disabled = !config.may.change;
    el("bulk-waiver").disabled = !config.may.ask || everything;
    document.body.classList.toggle("vc-picking", count > 0);
  };
  const none = () => { picked = new Map(); everything = false; mark(); bulk(); };
  const which = () => (everything ? { filters: chosen } : { ids: [...picked.keys()] });
  const change = (fields) => attempt(async () => {
    const body = { ...which(), ...fields };
    if (fields.state === "false_positive") { body.comment = await why(); if (!body.comment) return; }
    const done = await api("POST", "findings/bulk", body);
    toast(`${number(done.changed)} changed${done.skipped ? `, ${number(done.skipped)} waived ones left as they are` : ""}.`);
    none();
    await look();
  });

  const bcf = () => attempt(async () => {
    const chosenIds = everything ? null : [...picked.keys()];
    const given = chosenIds ? new URLSearchParams(chosenIds.slice(0, 100).map((id) => ["id", id])) : query();
    const answer = await ask("GET", `${config.api}/bcf?${given}`, undefined, { Accept: "*/*" });
    const link = make("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = (/filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") || "") || [])[1] || "findings.bcfzip";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  const draw = () => {
    drawScore(); drawMatrix(); drawTrend(); drawNext(); drawFilters();
    el("by-ranking").hidden = !summary.ranked;
    follow(summary.work, () => attempt(() => settle(6)));
  };
  const look = async () => {
    summary = await api("GET", "summary");
    draw();
    await renew();
    if (opened && !el("panel").contains(document.activeElement)) openPanel(opened, el("panel")).catch(() => {});
  };

  const step = (by) => {
    const shown = lines();
    if (!shown.length) return;
    const at = shown.findIndex((row) => row.dataset.id === current);
    const row = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
    current = row.dataset.id;
    mark();
    row.scrollIntoView({ block: "nearest" });
    row.querySelector(".vc-what").focus({ preventScroll: true });
    if (opened) show(current);
  };
  const here = () => (lines().find((row) => row.dataset.id === current) || {}).item;
  const patch = (fields) => attempt(async () => { const one = here(); if (one && config.may.change) { await api("PATCH", `findings/${one.id}`, fields, { "If-Match": `"${one.rev}"` }); await look(); } });
  const go = (page) => { const one = here(); if (one) location.href = `${config.pages[page]}?${new URLSearchParams({ finding: one.id, ...(one.storey ? { storey: one.storey } : {}) })}`; };
  const KEYS = {
    j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    Enter: () => current && show(current),
    x: () => { const one = here(); if (one) pick(one, !picked.has(one.id)); },
    a: () => config.me.id && patch({ assignee: config.me.id }),
    e: () => patch({ state: "acknowledged" }),
    p: () => go("plan"), 3: () => go("model"),
    "/": () => el("text").focus(),
    "?": () => el("keys-box").showModal(),
    Escape: () => { if (opened) hide(); else none(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (typing && event.key !== "Escape") return;
    if (typing) { event.target.blur(); return; }
    if (event.key === "Enter" && event.target.matches("button, a, summary, input")) { if (!event.target.matches(".vc-what")) return; }
    if (["ArrowDown", "ArrowUp"].includes(event.key) && !event.target.closest("#rows") && event.target !== document.body) return;
    const deed = KEYS[event.key];
    if (deed) { event.preventDefault(); deed(); }
  });

  el("text").addEventListener("input", later(() => { const text = el("text").value.trim(); if (text) chosen.text = text; else delete chosen.text; writeAddress(false); drawChosen(); load(); }, 250));
  for (const name of VIEW) el(name).addEventListener("change", () => { view[name] = el(name).value; openGroups.clear(); writeAddress(true); load(); });
  el("more-button").addEventListener("click", () => attempt(() => extend(lists[0])));
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && lists[0] && lists[0].next && !view.group) attempt(() => extend(lists[0])); }, { rootMargin: "400px" }).observe(el("more"));
  el("all").addEventListener("change", () => { everything = false; for (const row of lines()) if (el("all").checked) picked.set(row.dataset.id, row.item); else picked.delete(row.dataset.id); mark(); bulk(); });
  el("bulk-all").addEventListener("click", () => { everything = true; mark(); bulk(); });
  el("bulk-none").addEventListener("click", none);
  for (const [value, label] of [["open", "Open"], ["acknowledged", "Acknowledged"], ["in_progress", "In progress"], ["fixed", "Fixed"], ["false_positive", "False positive"]]) el("bulk-state").append(new Option(label, value));
  el("bulk-assignee").append(new Option("Nobody", "none"), ...config.people.map((one) => new Option(one.id === config.me.id ? `${one.name} (me)` : one.name, one.id)));
  el("bulk-state").addEventListener("change", () => { const state = el("bulk-state").value; el("bulk-state").value = ""; if (state) change({ state }); });
  el("bulk-assignee").addEventListener("change", () => { const who = el("bulk-assignee").value; el("bulk-assignee").value = ""; if (who) change({ assignee: who === "none" ? null : who }); });
  el("bulk-due").addEventListener("change", () => { const day = el("bulk-due").value; el("bulk-due").value = ""; if (day) change({ due_on: day }); });
  el("bulk-waiver").addEventListener("click", () => askWaiver([...picked.values()].slice(0, 100)).then((done) => { if (done) { none(); look(); } }));
  el("bulk-bcf").addEventListener("click", bcf);
  el("run").addEventListener("click", run);
  for (const name of ["upload", "next-upload"]) el(name).addEventListener("click", () => el("file").click());
  el("file").hasChangeListener = true;  // the theme's own listener looks for a text field beside it
  el("file").addEventListener("change", () => { upload(el("file").files[0]); el("file").value = ""; });
  const files = (event) => config.may.upload && event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let over = 0;
  document.addEventListener("dragenter", (event) => { if (files(event)) { over += 1; el("drop").hidden = false; } });
  document.addEventListener("dragleave", (event) => { if (files(event)) { over -= 1; el("drop").hidden = over > 0 ? el("drop").hidden : true; } });
  document.addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => { if (!files(event)) return; event.preventDefault(); over = 0; el("drop").hidden = true; upload(event.dataTransfer.files[0]); });
  el("next-run").addEventListener("click", run);
  el("drawer-close").addEventListener("click", hide);
  el("open-filters").addEventListener("click", () => { const on = el("filters").classList.toggle("shown"); el("open-filters").setAttribute("aria-expanded", String(on)); });
  addEventListener("popstate", () => { readAddress(); drawFilters(); load(); if (opened) show(opened); else if (!el("drawer").hidden) hide(); });
  document.addEventListener("codes:changed", () => attempt(look));

  readAddress();
  attempt(async () => {
    summary = await api("GET", "summary");
    draw();
    await load();
    live(summary.stream, () => attempt(look));
    if (opened) show(opened);
  });
})();
