// The agents' inbox: the live queue comes over one socket, the open conversation over another; what is done goes over REST.
(() => {
  "use strict";

  const el = (id) => document.getElementById(id);
  const page = document.currentScript.dataset;
  const items = new Map();  // id -> one line of the queue
  let agents = [], tab = "waiting", open = null, detail = null, cursor = "", canned = [], feed = null, talk = null, feedTries = 0, talkTries = 0, last = 0;
  let typedAt = 0, first = true;

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("");
  const csrf = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

  const api = async (method, path, body) => {
    const headers = { "X-CSRFToken": csrf(), "X-Tenant": page.tenant, Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
    const answer = await fetch(`/api/v1/${path}`, { method, headers, credentials: "same-origin", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const found = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw new Error((found && (found.errors || []).map((one) => `${one.path} ${one.message}`).join(", ")) || (found && found.detail) || answer.statusText);
    return found;
  };
  const refuse = (fault) => { el("refused").textContent = fault ? fault.message : ""; el("refused").hidden = !fault; };
  const attempt = async (work) => { refuse(null); try { return await work(); } catch (fault) { refuse(fault); return null; } };

  const name = (item) => (item.user_id.startsWith("web-") ? `Visitor ${item.user_id.slice(4, 8)}` : item.user_id || "Visitor");
  const mine = (item) => item.agent === page.me;
  const TABS = { waiting: (item) => item.status === "waiting", mine, all: () => true };
  const seconds = (at) => Math.max(0, Math.round((Date.now() - Date.parse(at)) / 1000));
  const clock = (n) => (n < 3600 ? `${Math.floor(n / 60)}:${String(n % 60).padStart(2, "0")}` : `${Math.floor(n / 3600)} h ${Math.floor((n % 3600) / 60)} min`);

  const shown = () => {
    const queue = el("queue-filter").value, words = el("search").value.trim().toLowerCase();
    const fits = (item) => (queue === "*" || item.queue === queue) && (!words || [item.user_id, item.last.text, item.flow_id, item.reason].some((text) => text.toLowerCase().includes(words)));
    const urgent = (a, b) => a.priority - b.priority || Date.parse(a.opened_at) - Date.parse(b.opened_at);
    return [...items.values()].filter(TABS[tab]).filter(fits).sort(urgent);
  };

  const tick = (node, item) => {
    const waits = item.waiting_since && item.status !== "closed";
    node.textContent = waits ? clock(seconds(item.waiting_since)) : "";
    const due = item.answered_at ? null : Date.parse(item.answer_due_at);
    node.className = `clock ${waits && due ? (Date.now() > due ? "late" : Date.now() > due - 30000 ? "soon" : "") : ""}`;
    node.title = waits ? "The user waits for an answer since then" : "";
  };

  const entry = (item) => {
    const row = make("li"), button = make("button", item.unread ? "unread" : "");
    button.type = "button";
    button.dataset.id = item.id;
    if (open === item.id) button.setAttribute("aria-current", "true");
    const top = make("span", "top"), time = make("span", "clock");
    top.append(make("b", "", name(item)));
    if (item.unread) top.append(make("span", "count some", String(item.unread)));
    tick(time, item);
    top.append(time);
    const chips = make("span", "chips");
    if (item.queue) chips.append(make("span", "mcp-badge info", item.queue));
    if (item.priority < 100) chips.append(make("span", "mcp-badge warning", `priority ${item.priority}`));
    for (const skill of item.skills) chips.append(make("span", "mcp-badge", skill));
    if (item.status === "taken") chips.append(make("span", "mcp-badge primary", mine(item) ? "you" : item.agent_name || "an agent"));
    button.append(top, make("span", "last", `${item.last.by === "agent" ? "You: " : ""}${item.last.text || item.reason}`), chips);
    button.addEventListener("click", () => show(item.id));
    row.append(button);
    return row;
  };

  const EMPTY = { waiting: "Nobody is waiting.", mine: "You have no conversation. Take one that is waiting.", all: "No conversation is with a person." };

  const draw = () => {
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.id : "";
    const found = shown();
    el("items").replaceChildren(...found.map(entry));
    el("nothing").hidden = found.length > 0;
    el("nothing-text").textContent = EMPTY[tab];
    el("nothing").querySelector(".next").hidden = tab === "mine";
    const all = [...items.values()];
    const waiting = all.filter(TABS.waiting).length, own = all.filter(mine), unread = own.reduce((sum, item) => sum + item.unread, 0);
    el("count-waiting").textContent = waiting;
    el("count-waiting").className = `count ${waiting ? "some" : ""}`;
    el("count-mine").textContent = own.length;
    el("count-mine").className = `count ${unread ? "some" : ""}`;
    document.title = `${waiting + unread ? `(${waiting + unread}) ` : ""}Inbox`;
    for (const button of document.querySelectorAll("[data-tab]")) button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    if (focused) { const again = el("items").querySelector(`[data-id="${focused}"]`); if (again) again.focus(); }
    queues(all);
    controls();
  };

  const queues = (all) => {
    const names = [...new Set(all.map((item) => item.queue).filter(Boolean))].sort();
    const box = el("queue-filter"), chosen = box.value;
    const wanted = ["*", "", ...names], there = [...box.options].map((option) => option.value);
    if (wanted.join("\n") === there.join("\n")) return;
    box.replaceChildren(...wanted.map((one) => new Option(one === "*" ? "All queues" : one || "General", one)));
    box.value = wanted.includes(chosen) ? chosen : "*";
    el("queues").replaceChildren(...names.map((one) => new Option(one, one)));
  };

  setInterval(() => {
    for (const button of el("items").querySelectorAll("[data-id]")) { const item = items.get(button.dataset.id); if (item) tick(button.querySelector(".clock"), item); }
  }, 1000);

  const FEED = {
    hello: () => { feedTries = 0; feed.send(JSON.stringify({ type: "subscribe" })); items.clear(); },
    item: (frame) => { items.set(frame.item.id, frame.item); changed(frame.item); },
    closed: (frame) => { items.delete(frame.item.id); changed(frame.item); },
    agents: (frame) => {
      agents = frame.agents;
      const me = agents.find((one) => one.agent === page.me);
      if (me) el("presence").value = me.status;
      const others = agents.filter((one) => one.agent !== page.me);
      el("agents").textContent = others.length ? `also here: ${others.map((one) => `${one.name || "an agent"}${one.status === "away" ? " (away)" : ""} ${one.conversations}`).join(", ")}` : "nobody else is here";
    },
    ready: () => { el("dot").className = "mcp-dot on"; draw(); begin(); },
    error: (frame) => refuse(new Error(frame.message)),
  };

  const changed = (item) => {
    if (item.id === open) {
      if (detail) detail = { ...detail, ...item };
      if (item.status === "closed") controls();
      else if (mine(item) && item.unread && document.hasFocus()) api("POST", `inbox/handoffs/${open}/read`).catch(() => {});
      clearTimeout(changed.timer);
      changed.timer = setTimeout(() => refresh().catch(() => {}), 250);
    }
    clearTimeout(changed.drawing);
    changed.drawing = setTimeout(draw, 30);
  };

  // The address may name one to open: the link of a notification.
  const begin = () => {
    if (!first) return;
    first = false;
    const wanted = new URLSearchParams(location.search).get("open");
    if (!wanted) return;
    const item = items.get(wanted);
    if (item && item.status === "taken") { tab = mine(item) ? "mine" : "all"; draw(); }
    show(wanted);
  };

  const socket = async (path, protocol, frames, current, set, ended) => {
    const { ticket } = await api("POST", "ws-tickets");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const opened = new WebSocket(`${scheme}://${location.host}${path}?ticket=${encodeURIComponent(ticket)}`, protocol);
    set(opened);
    opened.onmessage = (event) => { if (current() !== opened) return; const frame = JSON.parse(event.data); (frames[frame.type] || (() => {}))(frame); };
    opened.onclose = (end) => { if (current() === opened) ended(end); };
  };
  const soon = (tries) => Math.min(15000, 400 * 2 ** Math.min(tries, 6)) * (0.7 + Math.random() * 0.6);

  const connect = () => {
    el("dot").className = "mcp-dot";
    const later = () => { el("dot").className = "mcp-dot off"; feedTries += 1; setTimeout(connect, soon(feedTries)); };
    socket("/ws/v1/inbox/", "mcp-inbox.v1", FEED, () => feed, (one) => { feed = one; }, later).catch((fault) => { refuse(fault); later(); });
  };

  const down = () => { el("talk").scrollTop = el("talk").scrollHeight; };
  const line = (by, text, who, options) => {
    const row = make("div", `mcp-line ${by}`), bubble = make("div", "mcp-bubble");
    if (who) bubble.append(make("span", "who", who));
    bubble.append(text);
    if (options && options.length) { const box = make("div", "options"); for (const one of options) box.append(make("span", "mcp-badge", one)); bubble.append(box); }
    row.append(bubble);
    el("talk").append(row);
    return row;
  };
  const happened = (text) => el("talk").append(make("p", "happened", text));
  const plain = (message) => message.text || message.plain || (message.cards || []).map((card) => card.title).join(", ") || "…";
  const labels = (message) => [...(message.buttons || []), ...(message.quick_replies || [])].map((button) => button.label);
  const known = new Map();  // what a button fills -> what it says
  const learn = (message) => { for (const button of [...(message.buttons || []), ...(message.quick_replies || [])]) if (button.postback && button.postback.slots) known.set(JSON.stringify(button.postback.slots), button.label); };
  const pressed = (data) => known.get(JSON.stringify(data.postback)) || Object.values(data.postback || {}).join(", ") || data.intent || (data.attachment ? "sent a file" : "…");

  const SEEN = {
    started: (data) => happened(`${data.flow_id} began`),
    message: (data) => { typing(false); line("user", data.text || pressed(data)); },
    command: (data) => { if (data.name !== "resume") happened(`The user chose “${data.name}”`); },
    replied: (data) => { for (const message of data.messages || []) { learn(message); line("bot", plain(message), "Bot", labels(message)); } },
    handed_over: (data) => happened(`Handed over: ${data.reason || ""}`),
    agent_joined: (data) => happened(`${data.name || "An agent"} took the conversation`),
    agent_left: (data) => happened(`${data.name || "An agent"} left it`),
    agent_said: (data) => {
      const waiting = el("talk").querySelector(".mcp-line.waiting");
      if (data.agent === page.me && waiting && waiting.dataset.text === data.text) waiting.remove();
      line("agent", data.text, data.agent === page.me ? "You" : data.name || "An agent");
    },
    resumed: (data) => happened(data.reason === "unanswered" ? "Nobody came: the bot went on" : `${data.name || "Somebody"} gave it back to the bot`),
    ended: (data) => happened(`The conversation ended (${data.completion || "ended"})`),
    restarted: () => happened("Began again"),
    failed: (data) => happened(`The bot failed: ${data.message || data.code}`),
  };

  const TALK = {
    hello: () => { talkTries = 0; talk.send(JSON.stringify({ type: "subscribe", after: last })); },
    event: (frame) => { last = frame.seq; if (frame.kind in SEEN) { SEEN[frame.kind](frame.data); down(); } },
    ping: (frame) => talk.send(JSON.stringify({ type: "pong", seq: frame.seq })),
    typing: (frame) => { if (frame.by === "user") typing(frame.active); },
  };

  const typing = (on) => {
    el("typing").hidden = !on;
    el("typing").textContent = on && detail ? `${name(detail)} is typing …` : "";
    clearTimeout(typing.timer);
    if (on) typing.timer = setTimeout(() => typing(false), 6000);
  };

  const listen = (conversation) => {
    const path = `/ws/v1/conversations/${conversation}/`;
    const still = () => detail && detail.conversation_id === conversation;
    const later = (end) => { if (still() && (!end || end.code !== 4404)) { talkTries += 1; setTimeout(() => still() && listen(conversation), soon(talkTries)); } };
    socket(path, "mcp-conversation.v1", TALK, () => talk, (one) => { talk = one; }, later).catch(() => later());
  };

  const pane = (which) => { el("inbox").dataset.pane = which; };

  const show = async (id) => {
    pane("talk");
    if (open === id && detail) return;
    open = cursor = id;
    detail = null;
    typing(false);
    refuse(null);
    const old = talk;
    talk = null;
    if (old) old.close();
    last = 0; talkTries = 0;
    el("talk").replaceChildren();
    draw();
    await attempt(async () => {
      const found = await api("GET", `inbox/handoffs/${id}`);
      if (open !== id) return;
      detail = found;
      facts();
      controls();
      listen(found.conversation_id);
      if (mine(found) && found.unread) await api("POST", `inbox/handoffs/${id}/read`);
      if (mine(found)) el("text").focus();
    });
  };

  const refresh = async () => {
    const id = open;
    if (!id) return;
    const found = await api("GET", `inbox/handoffs/${id}`);
    if (open !== id) return;
    detail = found;
    facts();
    controls();
  };

  const controls = () => {
    const here = detail, live = here && here.status !== "closed", own = here && here.status === "taken" && mine(here);
    el("who").textContent = here ? name(here) : open ? "…" : "No conversation is open";
    el("take").hidden = !(live && !own && here.status === "waiting");
    el("transfer").hidden = !live;
    el("transfer").lastChild.textContent = live && here.status === "taken" && !own ? "Take over or transfer" : "Transfer";
    el("resume").hidden = el("end").hidden = !own;
    el("answer").hidden = !own;
    el("note").hidden = !here;
    el("show-facts").hidden = !here;
  };

  const list = (title, pairs) => {
    if (!pairs.length) return;
    el("facts").append(make("h3", "", title));
    const box = make("dl", "mcp-facts");
    for (const [key, value] of pairs) box.append(make("dt", "", key), make("dd", "", typeof value === "object" && value !== null ? JSON.stringify(value) : String(value)));
    el("facts").append(box);
  };
  const time = (at) => new Date(at).toLocaleString([], { hour: "2-digit", minute: "2-digit", day: "numeric", month: "short" });

  const facts = () => {
    const here = detail;
    el("facts").replaceChildren();
    list("Handover", [
      ["reason", here.reason], ["queue", here.queue || "general"], ...(here.skills.length ? [["skills", here.skills.join(", ")]] : []),
      ["since", time(here.opened_at)], ...(here.agent ? [["with", mine(here) ? "you" : here.agent_name || here.agent]] : []),
      ...(here.status === "waiting" && here.give_up_at ? [["bot goes on", time(here.give_up_at)]] : []),
      ...(here.status === "closed" ? [["ended as", here.outcome]] : []),
    ]);
    list("Slots", Object.entries(here.context.slots));
    list("User", [...Object.entries(here.context.user_profile), ["language", here.locale], ["channel", here.channel]]);
    list("Flow", [["flow", `${here.flow_id} v${here.context.flow_version}`], ["state", here.context.current_state]]);
    const trace = make("a", "mcp-link", "Transcript with trace");
    trace.href = page.transcript.replace("00000000-0000-0000-0000-000000000000", here.conversation_id);
    trace.target = "_blank";
    el("facts").append(trace);
    if (here.earlier.length) {
      el("facts").append(make("h3", "", "Earlier conversations"));
      const box = make("ul");
      for (const one of here.earlier) {
        const link = make("a", "mcp-link", `${one.flow_id} · ${time(one.updated_at)}`);
        link.href = page.transcript.replace("00000000-0000-0000-0000-000000000000", one.conversation_id);
        link.target = "_blank";
        const row = make("li");
        row.append(link, " ", make("span", "mcp-badge", one.status));
        box.append(row);
      }
      el("facts").append(box);
    }
    el("facts").append(make("h3", "", "Notes"));
    if (!here.notes.length) el("facts").append(make("span", "mcp-faint", "None yet."));
    const notes = make("ul", "notes");
    for (const one of here.notes) { const row = make("li", "", one.text); row.append(make("small", "", `${one.author_name || one.author}, ${time(one.at)}`)); notes.append(row); }
    el("facts").append(notes);
  };

  const deed = (what, body) => attempt(async () => {
    const id = open;
    const found = await api("POST", `inbox/handoffs/${id}/${what}`, { client_message_id: `inbox-${random()}`, ...body });
    await refresh();
    return found;
  });

  const take = async () => { if (await deed("take", {})) { tab = "mine"; draw(); el("text").focus(); } };

  const answer = async () => {
    const text = el("text").value.trim();
    if (!text || !open) return;
    const id = open, message = `inbox-${random()}`;
    el("text").value = "";
    const node = line("agent waiting", text, "You");
    node.dataset.text = text;
    down();
    for (let tries = 0; ; tries += 1) {  // the same id: it is said once, however often it is sent
      try {
        await api("POST", `inbox/handoffs/${id}/reply`, { text, client_message_id: message });
        refuse(null);
        setTimeout(() => node.classList.remove("waiting"), 1500);
        return;
      } catch (fault) {
        if (fault instanceof TypeError && tries < 4) { await new Promise((done) => setTimeout(done, soon(tries))); continue; }
        node.remove();
        if (open === id) el("text").value = text;
        refuse(fault);
        return;
      }
    }
  };

  const asked = (box) => new Promise((done) => {
    box.returnValue = "";
    box.addEventListener("close", () => done(box.returnValue === "ok"), { once: true });
    box.showModal();
  });

  const transfer = async () => {
    const others = agents.filter((one) => one.agent !== (detail && detail.agent));
    const title = (one) => `${one.agent === page.me ? "Me" : one.name || one.agent}${one.status === "away" ? " (away)" : ""}, has ${one.conversations}`;
    el("transfer-agent").replaceChildren(new Option("–", ""), ...others.map((one) => new Option(title(one), one.agent)));
    el("transfer-queue").value = detail.queue;
    if (!(await asked(el("transfer-box")))) return;
    const agent = el("transfer-agent").value;
    await deed("transfer", agent ? { agent } : { queue: el("transfer-queue").value.trim() });
  };

  const resume = async () => {
    const ways = detail.ways_back;
    el("resume-state").replaceChildren(new Option(`where it was (${detail.context.current_state})`, ""), ...ways.states.map((one) => new Option(`in ${one}`, one)));
    el("resume-slots").replaceChildren(...ways.slots.map((slot) => {
      const field = make("div", "mcp-field"), label = make("label", "", `${slot.name} (${slot.type})`), input = make("input", "mcp-input");
      input.id = `slot-${slot.name}`;
      input.name = slot.name;
      input.placeholder = slot.name in detail.context.slots ? `now ${detail.context.slots[slot.name]}` : "";
      label.htmlFor = input.id;
      field.append(label, input);
      return field;
    }));
    if (!(await asked(el("resume-box")))) return;
    const slots = {};
    for (const input of el("resume-slots").querySelectorAll("input")) if (input.value.trim()) slots[input.name] = input.value.trim();
    await deed("resume", { state: el("resume-state").value, slots });
  };

  const end = async () => { if (await asked(el("end-box"))) await deed("end", { completion: el("end-how").value }); };

  const language = (texts) => texts[detail.locale] || texts[detail.locale.slice(0, 2)] || texts.en || Object.values(texts)[0] || "";
  const matching = () => {
    const found = /(?:^|\s)\/([\w-]*)$/.exec(el("text").value.slice(0, el("text").selectionStart));
    return found && detail ? canned.filter((one) => one.shortcut.startsWith(found[1].toLowerCase()) && (!one.queue || one.queue === detail.queue)) : [];
  };
  let picked = 0;
  const offer = () => {
    const found = matching();
    picked = Math.min(picked, Math.max(0, found.length - 1));
    el("canned").hidden = !found.length;
    el("canned").replaceChildren(...found.map((one, index) => {
      const row = make("li");
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(index === picked));
      row.append(make("b", "", `/${one.shortcut}`), make("span", "", language(one.texts)));
      row.addEventListener("mousedown", (event) => { event.preventDefault(); picked = index; insert(); });
      return row;
    }));
  };
  const insert = () => {
    const one = matching()[picked], box = el("text");
    if (!one) return;
    const at = box.selectionStart, before = box.value.slice(0, at).replace(/\/[\w-]*$/, language(one.texts));
    box.value = before + box.value.slice(at);
    box.selectionStart = box.selectionEnd = before.length;
    el("canned").hidden = true;
  };

  const step = (by) => {
    const found = shown().map((item) => item.id);
    if (!found.length) return;
    const at = found.indexOf(cursor);
    cursor = found[Math.max(0, Math.min(found.length - 1, at < 0 ? 0 : at + by))];
    const button = el("items").querySelector(`[data-id="${cursor}"]`);
    if (button) button.focus();
  };
  const pressable = (id) => !el(id).hidden;
  const KEYS = {
    j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
    t: () => { if (pressable("take")) take(); },
    r: () => { if (pressable("answer")) el("text").focus(); },
    n: () => { if (pressable("note")) { pane("facts"); el("note-text").focus(); } },
  };

  document.addEventListener("DOMContentLoaded", () => {
    el("take").addEventListener("click", take);
    el("transfer").addEventListener("click", transfer);
    el("resume").addEventListener("click", resume);
    el("end").addEventListener("click", end);
    el("back").addEventListener("click", () => pane("queue"));
    el("show-facts").addEventListener("click", () => pane("facts"));
    el("hide-facts").addEventListener("click", () => pane("talk"));
    el("queue-filter").addEventListener("change", draw);
    el("search").addEventListener("input", draw);
    el("presence").addEventListener("change", () => { if (feed && feed.readyState === WebSocket.OPEN) feed.send(JSON.stringify({ type: "presence", status: el("presence").value })); });
    for (const button of document.querySelectorAll("[data-tab]")) button.addEventListener("click", () => { tab = button.dataset.tab; draw(); });
    el("answer").addEventListener("submit", (event) => { event.preventDefault(); answer(); });
    el("text").addEventListener("keydown", (event) => {
      const choosing = !el("canned").hidden;
      if (choosing && (event.key === "ArrowDown" || event.key === "ArrowUp")) { event.preventDefault(); picked += event.key === "ArrowDown" ? 1 : -1; picked = Math.max(0, picked); offer(); }
      else if (choosing && (event.key === "Enter" || event.key === "Tab")) { event.preventDefault(); insert(); }
      else if (choosing && event.key === "Escape") el("canned").hidden = true;
      else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); answer(); }
    });
    el("text").addEventListener("input", () => {
      offer();
      const now = Date.now();
      if (now - typedAt > 2000 && talk && talk.readyState === WebSocket.OPEN) { typedAt = now; talk.send(JSON.stringify({ type: "typing", active: el("text").value !== "" })); }
    });
    el("note").addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = el("note-text").value.trim();
      if (text && (await attempt(() => api("POST", `inbox/handoffs/${open}/notes`, { text })))) { el("note-text").value = ""; await refresh(); }
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
      const key = KEYS[event.key];
      if (key) { event.preventDefault(); key(); }
    });
    api("GET", "inbox/canned-responses").then((found) => { canned = found; }).catch(() => {});
    connect();
  });
})();
