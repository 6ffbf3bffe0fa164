// The test page: one client like every other. A ticket of the staff session opens the socket; messages and events go over it,
// and the trace of each turn is read from the REST API.
(() => {
  "use strict";

  const el = (id) => document.getElementById(id);
  const page = document.currentScript && document.currentScript.dataset;
  let socket = null, conversation = null, last = 0, shown = new Set(), sent = 0, tries = 0;

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const csrf = () => document.querySelector("[name=csrfmiddlewaretoken]").value;
  const state = (text, kind) => { el("mcp-state").textContent = text; el("mcp-dot").className = `mcp-dot ${kind}`; };
  const down = (box) => { box.scrollTop = box.scrollHeight; };

  const api = async (method, path) => {
    const answer = await fetch(path, { method, headers: { "X-CSRFToken": csrf(), "X-Tenant": page.tenant, "Accept": "application/json" }, credentials: "same-origin" });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.detail || body.message || answer.statusText);
    return body;
  };

  const line = (by, text) => {
    const row = make("div", `mcp-line ${by}`);
    row.append(make("div", "mcp-bubble", text));
    el("mcp-lines").append(row);
    down(el("mcp-lines"));
  };

  const buttons = (found) => {
    const row = make("div", "mcp-choices");
    for (const button of found) {
      const node = make("button", "mcp-button small", button.label);
      node.type = "button";
      node.addEventListener("click", () => say({ type: "postback", text: button.label, ...button.postback }, button.label));
      row.append(node);
    }
    el("mcp-lines").append(row);
    down(el("mcp-lines"));
  };

  const clearButtons = () => { for (const row of document.querySelectorAll(".mcp-choices")) row.remove(); };

  const entry = (found) => {
    const row = make("li", "condition" in found ? (found.taken ? "taken" : "") : "remark");
    row.append(make("span", "material-symbols-outlined", "condition" in found ? (found.taken ? "check_circle" : "remove") : "bolt"));
    const text = make("div");
    if ("condition" in found) {
      text.append(make("b", "", found.state), ` ${found.condition.replaceAll("_", " ")} → `, make("b", "", found.target), make("span", "why", found.why));
    } else {
      const { note, ...rest } = found;
      text.append(make("b", "", note || "note"), make("span", "why", Object.entries(rest).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ")));
    }
    row.append(text);
    return row;
  };

  const showTurn = async (number) => {
    if (shown.has(number)) return;
    shown.add(number);
    const turn = await api("GET", `/api/v1/conversations/${conversation}/turns/${number}`);
    if (!["done", "failed", "dead"].includes(turn.status)) { shown.delete(number); return; }
    const box = make("details", "mcp-turn");
    box.open = true;
    box.dataset.turn = number;
    const head = make("summary");
    const reply = turn.reply || {};
    head.append(make("b", "", `Turn ${number}`), turn.kind, make("span", `mcp-badge ${turn.status === "done" ? "success" : "danger"}`, turn.status), `in ${reply.current_state || "–"}`);
    const inside = make("div", "inside");
    const updates = Object.entries((reply.context_updates || {}).slots || {}).concat(Object.entries((reply.context_updates || {}).variables || {}));
    const scores = Object.entries(reply.confidence_scores || {});
    if (updates.length || scores.length) {
      const notes = make("div", "mcp-notes");
      for (const [name, value] of updates) { const chip = make("span"); chip.append(make("b", "", name), ` = ${JSON.stringify(value)}`); notes.append(chip); }
      for (const [name, value] of scores) { const chip = make("span"); chip.append("intent ", make("b", "", name), ` ${Math.round(value * 100)} %`); notes.append(chip); }
      inside.append(notes);
    }
    const list = make("ul", "mcp-trace");
    for (const found of turn.trace) list.append(entry(found));
    if (!turn.trace.length) list.append(make("li", "", "No transition was looked at."));
    inside.append(list);
    if (turn.error) inside.append(make("div", "mcp-note danger", `${turn.error.error_code || turn.error.code || ""} ${turn.error.message || ""}`));
    box.append(head, inside);
    el("mcp-empty-trace").hidden = true;
    const later = [...el("mcp-trace").querySelectorAll("details")].find((other) => Number(other.dataset.turn) > number);
    el("mcp-trace").insertBefore(box, later || null);
    el("mcp-current").textContent = `${reply.current_state || ""} · ${reply.status || ""}`;
    down(el("mcp-trace"));
  };

  const SEEN = {
    message: (data) => { if (sent > 0) sent -= 1; else line("user", data.text || data.intent || "…"); },  // what this page said is drawn already
    replied: (data) => {
      clearButtons();
      for (const said of data.messages || []) if (said.text) line("bot", said.text);
      const final = (data.messages || []).at(-1);
      if (final && final.buttons && final.buttons.length) buttons(final.buttons);
    },
    failed: (data) => line("problem", data.message || data.code || "The turn failed."),
  };

  const FRAMES = {
    hello: () => { state("connected", "on"); tries = 0; socket.send(JSON.stringify({ type: "subscribe", after: last })); },
    event: (frame) => {
      last = frame.seq;
      if (frame.kind in SEEN) SEEN[frame.kind](frame.data);
      showTurn(frame.turn).catch((fault) => line("problem", fault.message));
    },
    ping: (frame) => socket.send(JSON.stringify({ type: "pong", seq: frame.seq })),
    reply: (frame) => showTurn(frame.result.turn.number).catch((fault) => line("problem", fault.message)),
    error: (frame) => { if (frame.client_message_id && sent > 0) sent -= 1; line("problem", frame.message || frame.detail); },
  };

  const connect = async () => {
    state("connecting", "");
    const { ticket } = await api("POST", "/api/v1/ws-tickets");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws/v1/conversations/${conversation}/?ticket=${encodeURIComponent(ticket)}`, "mcp-conversation.v1");
    socket.onmessage = (message) => { const frame = JSON.parse(message.data); (FRAMES[frame.type] || (() => {}))(frame); };
    socket.onclose = (end) => {
      state(end.code >= 4000 ? `closed: ${end.reason || end.code}` : "disconnected", "off");
      if (end.code < 4400 && conversation && tries++ < 5) setTimeout(() => connect().catch(() => {}), 1000 * tries);
    };
  };

  const say = (content, text) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    clearButtons();
    const id = `try-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`;
    sent += 1;
    line("user", text);
    socket.send(JSON.stringify({ type: "message", content, client_message_id: id }));
  };

  const start = async () => {
    const form = new FormData(el("mcp-start"));
    const choice = JSON.parse(form.get("choice"));
    form.set("flow", choice.flow_id);
    form.set("environment", choice.environment);
    const answer = await fetch(page.start, { method: "POST", body: form, credentials: "same-origin" });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.message);
    if (socket) { socket.onclose = null; socket.close(); }
    conversation = body.conversation_id; last = 0; shown = new Set(); sent = 0; tries = 0;
    el("mcp-lines").replaceChildren();
    for (const old of el("mcp-trace").querySelectorAll("details")) old.remove();
    el("mcp-transcript").href = page.transcript.replace("00000000-0000-0000-0000-000000000000", conversation);
    el("mcp-transcript").hidden = false;
    el("mcp-text").disabled = el("mcp-send").disabled = false;
    el("mcp-text").focus();
    await connect();
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (!el("mcp-start")) return;
    el("mcp-start").addEventListener("submit", (event) => { event.preventDefault(); start().catch((fault) => line("problem", fault.message)); });
    el("mcp-say").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = el("mcp-text").value.trim();
      if (!text) return;
      el("mcp-text").value = "";
      say({ type: "text", text }, text);
    });
  });
})();
