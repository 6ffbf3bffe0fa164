// What the pages of a building share: REST, the live socket with who is there, the panel of a finding, waivers, the plan's picture of one finding.
window.Codes = (() => {
  "use strict";

  const el = (id) => document.getElementById(id);
  const config = JSON.parse(el("vc-config").textContent);
  const SEVERITIES = ["critical", "major", "minor", "info"];

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const svg = (tag, attributes = {}) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const icon = (name) => make("span", "material-symbols-outlined", name);
  const words = (name) => (name || "").replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
  const number = (value) => Number(value).toLocaleString("en").replaceAll(",", "\u202f");
  const later = (work, milliseconds) => { let timer = 0; return (...given) => { clearTimeout(timer); timer = setTimeout(() => work(...given), milliseconds); }; };

  const csrf = () => document.querySelector("[name=csrfmiddlewaretoken]").value;
  const ask = async (method, address, body, headers = {}) => {
    const json = body !== undefined && !(body instanceof FormData);
    const answer = await fetch(address, {
      method,
      credentials: "same-origin",
      headers: { "X-CSRFToken": csrf(), "X-Tenant": config.tenant, Accept: "application/json", ...(json ? { "Content-Type": "application/json" } : {}), ...headers },
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
    });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    const faults = (told.errors || []).map((one) => `${(one.path || "").replace(/^\$\.?/, "")} ${one.message}`.trim());
    const fault = new Error([told.detail || answer.statusText, ...faults].join(" "));
    fault.status = answer.status;
    fault.code = told.error_code;
    throw fault;
  };
  const api = async (method, path, body, headers) => {
    const answer = await ask(method, `${config.api}/${path}`, body, headers);
    return answer.status === 204 ? null : answer.json();
  };

  const toast = (text, kind = "") => {
    const box = el("toast");
    box.textContent = text;
    box.className = `vc-toast ${kind}`;
    box.hidden = false;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => { box.hidden = true; }, kind === "bad" ? 7000 : 3500);
  };
  const attempt = async (work) => { try { return await work(); } catch (fault) { toast(fault.message, "bad"); return undefined; } };

  // The page speaks the protocol of plugins: it goes on where the summary was read, so nothing is sent twice and nothing is missed. What it hears
  // is only that there is news; lists are read over REST. When the socket is away the page asks every 15 seconds.

  const ears = new Set(), watchers = new Set();
  let socket = null, tries = 0, stream = null, session = "", selected = [], present = [];

  const state = (kind, text) => { el("dot").className = `mcp-dot ${kind}`; el("live-text").textContent = text; };
  const hear = later((news) => { for (const ear of ears) ear(news); }, 120);
  let gathered = { added: [], updated: [], resolved: [] };
  const gather = (frame) => {
    for (const name of ["added", "updated", "resolved"]) gathered[name].push(...(frame[name] || []));
    hear(gathered);
  };
  ears.add(() => { gathered = { added: [], updated: [], resolved: [] }; });

  const initials = (name) => name.split(/[\s._@-]+/).filter(Boolean).slice(0, 2).map((part) => part[0].toUpperCase()).join("");
  const hue = (text) => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  const face = (name, title) => {
    const node = make("span", "vc-face", initials(name) || "?");
    node.style.setProperty("--hue", hue(name));
    node.title = title || name;
    return node;
  };
  const showPresent = () => {
    const others = present.filter((one) => one.id !== session);
    el("present").replaceChildren(...others.slice(0, 6).map((one) => {
      const item = make("li", one.client === "browser" ? "" : "plugin");
      item.append(face(one.name || one.client, `${one.name} · ${one.client === "browser" ? "in the browser" : one.client}`));
      if (one.client !== "browser") item.append(make("span", "vc-plugin", one.client));
      return item;
    }));
    for (const watcher of watchers) watcher(others);
  };

  const FRAMES = {
    welcome: (frame) => { session = frame.session_id; tries = 0; state("on", "Live"); if (selected.length) tell(); if (frame.resume !== "replayed") hear(gathered); stream = { stream_id: frame.stream_id, last_seq: frame.findings_seq }; },
    findings: (frame) => { stream = { ...stream, last_seq: frame.seq }; socket.send(JSON.stringify({ type: "ack_findings", seq: frame.seq })); gather(frame); },
    snapshot_required: () => hear(gathered),
    snapshot_end: () => hear(gathered),
    presence: (frame) => { present = frame.users; showPresent(); },
    ping: (frame) => socket.send(JSON.stringify({ type: "pong", id: frame.id })),
    error: (frame) => { if (frame.fatal) console.warn(frame.message); },
  };

  const connect = async () => {
    try {
      const { ticket } = await (await ask("POST", "/api/v1/ws-tickets")).json();
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const opened = new WebSocket(`${scheme}://${location.host}${config.socket}?ticket=${encodeURIComponent(ticket)}`, "mcp-validation.v1");
      socket = opened;
      opened.onopen = () => opened.send(JSON.stringify({ type: "hello", client: "browser", version: "1", capabilities: ["partial"], building_id: config.building, ...(stream ? { resume: stream } : {}) }));
      opened.onmessage = (event) => { if (socket === opened && typeof event.data === "string") { const frame = JSON.parse(event.data); (FRAMES[frame.type] || (() => {}))(frame); } };
      opened.onclose = (end) => { if (socket === opened) { socket = null; if (end.code === 4409) stream = null; again(); } };
    } catch { again(); }
  };
  const again = () => {
    tries += 1;
    state("off", tries > 2 ? "Not live, asking every 15 s" : "Connecting …");
    setTimeout(connect, Math.min(15000, 400 * 2 ** Math.min(tries, 6)) * (0.7 + Math.random() * 0.6));
  };
  setInterval(() => { if (!socket || socket.readyState !== 1) hear(gathered); }, 15000);

  const tell = () => { if (socket && socket.readyState === 1) socket.send(JSON.stringify({ type: "presence", selection: selected })); };
  const select = (ids) => { selected = ids.filter(Boolean).slice(0, 20); tell(); };
  const live = (from, ear) => { stream = from; ears.add(ear); connect(); };
  addEventListener("pagehide", () => { const open = socket; socket = null; if (open) open.close(); });

  let following = "";
  const follow = (work, ended) => {
    el("work").hidden = !work;
    if (!work) { following = ""; return; }
    el("work-title").textContent = work.title;
    el("work-phase").textContent = work.phase || "";
    el("work-bar").style.width = `${work.total ? Math.round((100 * work.done) / work.total) : 4}%`;
    if (following === work.id) return;
    following = work.id;
    const look = async () => {
      if (following !== work.id) return;
      const found = await ask("GET", `/api/v1/operations/${work.id}`).then((answer) => answer.json()).catch(() => null);
      if (!found) { setTimeout(look, 2000); return; }
      if (["queued", "running"].includes(found.status)) { follow({ ...found, id: work.id }); setTimeout(look, 600); return; }
      follow(null);
      if (found.status === "failed") toast((found.error && found.error.detail) || "It failed.", "bad");
      if (ended) ended(found);
    };
    setTimeout(look, 300);
  };

  const address = (pattern, id) => pattern.replace("00000000-0000-0000-0000-000000000000", id);
  let opened = "";

  const local = (root) => {
    for (const node of root.querySelectorAll("time[datetime]")) {
      const at = new Date(node.getAttribute("datetime"));
      if (!Number.isNaN(at.valueOf())) { node.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }); }
    }
  };

  const openPanel = async (id, where) => {
    opened = id;
    const answer = await ask("GET", address(config.panel, id), undefined, { Accept: "text/html" });
    const html = await answer.text();
    if (opened !== id) return null;
    const top = where.scrollTop;
    const draft = where.querySelector("[data-comment] textarea");
    const kept = draft && where.querySelector(`[data-finding="${id}"]`) ? draft.value : "";
    where.innerHTML = html;  // made by the server's template, escaped there
    const finding = where.querySelector("[data-finding]");
    if (kept) { where.querySelector("[data-comment] textarea").value = kept; where.scrollTop = top; }
    bind(where);
    return finding;
  };

  const changed = () => document.dispatchEvent(new CustomEvent("codes:changed"));
  const refresh = async (where) => { const finding = where.querySelector("[data-finding]"); if (finding) await openPanel(finding.dataset.finding, where); };

  const why = () => new Promise((done) => {
    const box = el("why-box");
    el("why-text").value = "";
    box.onclose = () => done(box.returnValue === "ok" ? el("why-text").value.trim() : "");
    box.returnValue = "";
    box.showModal();
  });

  const bind = (where) => {
    const finding = where.querySelector("[data-finding]");
    if (!finding) return;
    local(where);
    const path = `findings/${finding.dataset.finding}`;
    const refused = where.querySelector("[data-refused]");
    const deed = async (work) => {
      refused.hidden = true;
      try { await work(); changed(); } catch (fault) { refused.textContent = fault.message; refused.hidden = false; }
      await refresh(where).catch(() => {});
    };
    for (const field of where.querySelectorAll("[data-change]")) {
      field.addEventListener("change", async () => {
        const name = field.dataset.change;
        if (name === "state" && !field.value) return;
        const body = { [name]: field.value || null };
        if (field.value === "false_positive") { body.comment = await why(); if (!body.comment) { await refresh(where); return; } }
        await deed(() => api("PATCH", path, body, { "If-Match": `"${finding.dataset.rev}"` }));
      });
    }
    const form = where.querySelector("[data-comment]");
    if (form) form.addEventListener("submit", (event) => {
      event.preventDefault();
      const area = form.querySelector("textarea"), text = area.value.trim();
      if (text) deed(async () => { await api("POST", `${path}/notes`, { text }); area.value = ""; });
    });
    const button = where.querySelector("[data-deed=waiver]");
    if (button) button.addEventListener("click", () => askWaiver([{ id: finding.dataset.finding, rule: finding.dataset.rule }]).then((done) => { if (done) { changed(); refresh(where); } }));
    thumbnail(where, finding);
  };

  const picture = async (query) => {
    const answer = await ask("GET", `${config.api}/plan?${query}`, undefined, { Accept: "image/svg+xml, */*;q=0.1" });
    const found = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
    if (found.nodeName !== "svg") throw new Error("no plan");
    for (const node of found.querySelectorAll("script, foreignObject")) node.remove();
    return document.importNode(found, true);
  };

  // The part of the plan around the element, with its way out.
  const thumbnail = async (where, finding) => {
    const part = where.querySelector("[data-thumbnail]");
    if (!part || !finding.dataset.storey) return;
    try {
      const plan = await picture(new URLSearchParams({ storey: finding.dataset.storey, finding: finding.dataset.finding }));
      if (!where.contains(part)) return;
      const box = part.querySelector(".vc-thumb-box");
      box.replaceChildren(plan);
      part.hidden = false;
      crop(plan, [...plan.querySelectorAll(`[data-id="${CSS.escape(finding.dataset.subject)}"]`), ...plan.querySelectorAll(".route, .path")]);
    } catch { part.hidden = true; }
  };

  const crop = (plan, nodes, least = 0.28) => {
    const boxes = nodes.filter((node) => node.getBBox).map((node) => node.getBBox()).filter((box) => box.width || box.height);
    const whole = (plan.getAttribute("viewBox") || "0 0 100 100").split(/[\s,]+/).map(Number);
    if (!boxes.length) return;
    const left = Math.min(...boxes.map((box) => box.x)), top = Math.min(...boxes.map((box) => box.y));
    const right = Math.max(...boxes.map((box) => box.x + box.width)), bottom = Math.max(...boxes.map((box) => box.y + box.height));
    const width = Math.max((right - left) * 1.5, whole[2] * least), height = Math.max((bottom - top) * 1.5, whole[3] * least);
    plan.setAttribute("viewBox", `${(left + right - width) / 2} ${(top + bottom - height) / 2} ${width} ${height}`);
  };

  const askWaiver = (findings) => new Promise((done) => {
    const rules = [...new Set(findings.map((one) => one.rule))], box = el("waiver-box"), form = box.querySelector("form");
    el("waiver-kind").replaceChildren(...config.waiver_kinds.map((kind) => new Option(kind.label, kind.value)));
    el("waiver-about").textContent = findings.length === 1 ? `For one finding of ${rules[0]}.` : `For ${findings.length} findings of ${rules.length === 1 ? rules[0] : `${rules.length} rules`}: one request for each.`;
    el("waiver-rule-row").hidden = rules.length !== 1;
    el("waiver-rule").checked = false;
    el("waiver-refused").hidden = true;
    for (const name of ["waiver-why", "waiver-until", "waiver-reference", "waiver-conditions"]) el(name).value = "";
    let sent = 0;
    const send = async (event) => {
      if (!event.submitter || event.submitter.value !== "ok") return;
      event.preventDefault();
      event.submitter.disabled = true;
      const body = { kind: el("waiver-kind").value, justification: el("waiver-why").value, authority_reference: el("waiver-reference").value, conditions: el("waiver-conditions").value, expires_on: el("waiver-until").value || null };
      try {
        const about = el("waiver-rule").checked && rules.length === 1 ? [{ rule: rules[0] }] : findings.map((one) => ({ finding: one.id }));
        for (const one of about) {
          try { await api("POST", "waivers", { ...body, ...one }); sent += 1; } catch (fault) { if (fault.code !== "WAIVER_EXISTS" || about.length === 1) throw fault; }
        }
        toast(sent === 1 ? "The request is with the code officials." : `${sent} requests are with the code officials.`);
        box.close();
      } catch (fault) { el("waiver-refused").textContent = fault.message; el("waiver-refused").hidden = false; }
      event.submitter.disabled = false;
    };
    form.addEventListener("submit", send);
    box.onclose = () => { form.removeEventListener("submit", send); done(sent > 0); };
    box.showModal();
    el("waiver-why").focus();
  });

  return { el, make, svg, icon, words, number, later, config, SEVERITIES, ask, api, attempt, toast, live, select, watchers, follow, address, openPanel, refresh, bind, why, picture, crop, askWaiver, face, changed };
})();
