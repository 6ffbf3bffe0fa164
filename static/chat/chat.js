// The public chat page. What it shows is what the socket tells, line by line and in order; after a cut it goes on behind the last line.
// Texts are put in as text, never as HTML.
(() => {
  "use strict";

  const page = document.currentScript.dataset;
  const el = (id) => document.getElementById(id);
  const KEY = `mcp-chat.${page.chat}`;
  let texts = {}, socket = null, last = 0, history = 0, tries = 0, ended = false, person = false, agent = "", online = false, retry = null, typedAt = 0, queue = Promise.resolve();
  const waiting = new Map();  // client_message_id -> {content, node}: said, and not yet acknowledged

  const random = () => [...crypto.getRandomValues(new Uint8Array(18))].map((n) => n.toString(16).padStart(2, "0")).join("");
  const memory = {};
  const keep = (name, value) => { memory[name] = value; try { localStorage.setItem(`${KEY}.${name}`, value); } catch { /* a browser that keeps nothing */ } };
  const kept = (name) => { try { return localStorage.getItem(`${KEY}.${name}`) || memory[name] || ""; } catch { return memory[name] || ""; } };

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const say = (key, name) => (texts[key] || key).replace("{name}", name || texts.agent);
  const down = () => { const box = el("scroll"); box.scrollTop = box.scrollHeight; };
  const web = (address) => { try { const url = new URL(address, location.href); return ["https:", "http:", "mailto:", "tel:"].includes(url.protocol) ? url.href : ""; } catch { return ""; } };
  const picture = (address) => { try { const url = new URL(address, location.href); return url.protocol === "https:" || url.origin === location.origin ? url.href : ""; } catch { return ""; } };

  const link = (className, address, text) => {
    const node = make("a", className, text);
    node.href = address;
    node.target = "_blank";
    node.rel = "noopener noreferrer nofollow";
    return node;
  };

  const words = (node, text) => {
    const pattern = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;
    let from = 0;
    for (const found of text.matchAll(pattern)) {
      node.append(text.slice(from, found.index), link("", found[0], found[0]));
      from = found.index + found[0].length;
    }
    node.append(text.slice(from));
    return node;
  };

  const line = (by, text, who) => {
    const row = make("li", by);
    if (who) row.append(make("span", "who", who));
    if (text) row.append(words(make("div", "bubble"), text));
    el("lines").append(row);
    return row;
  };

  const press = (button) => {
    if (button.postback) return send({ type: "postback", text: button.label, ...button.postback }, button.label);
    return send({ type: "text", text: button.say || button.label }, button.label);
  };

  const labels = new Map();  // what a button fills -> what it says: a pressed button is shown as its words
  const choice = (button) => {
    if (button.postback && button.postback.slots) labels.set(JSON.stringify(button.postback.slots), button.label);
    if (button.url) return web(button.url) ? link("", web(button.url), button.label) : make("span", "", button.label);
    const node = make("button", "", button.label);
    node.type = "button";
    node.addEventListener("click", () => press(button));
    return node;
  };

  const choices = (buttons) => {
    const row = make("div", "choices");
    for (const button of buttons) row.append(choice(button));
    return row;
  };

  const image = (className, address, alt) => {
    const node = make("img", className);
    node.alt = alt || "";
    node.loading = "lazy";
    node.referrerPolicy = "no-referrer";
    node.addEventListener("load", down);
    node.addEventListener("error", () => node.replaceWith(make("small", "", alt || "")));
    node.src = address;
    return node;
  };

  const cards = (found, layout) => {
    const row = make("div", `cards ${layout || "carousel"}`);
    row.tabIndex = 0;
    for (const one of found) {
      const card = make("article", "card");
      if (one.image && picture(one.image)) card.append(image("", picture(one.image), one.alt || one.title));
      const text = make("div");
      const title = make("b", "", one.url && web(one.url) ? undefined : one.title);
      if (one.url && web(one.url)) title.append(link("", web(one.url), one.title));
      text.append(title);
      if (one.subtitle) text.append(make("small", "", one.subtitle));
      card.append(text);
      if (one.buttons && one.buttons.length) card.append(choices(one.buttons));
      row.append(card);
    }
    return row;
  };

  const KNOWN = new Set(["text", "buttons", "cards", "images", "image", "card", "quick_replies", "rich"]);

  // One message of the bot. What this page cannot draw, it says in the message's own plain words.
  const message = (found) => {
    const rich = (found.cards || []).length || (found.images || []).length || (found.buttons || []).length || (found.quick_replies || []).length;
    const plain = !KNOWN.has(found.type || "text") && !rich ? found.plain || found.text : found.text;
    const row = line("bot", plain);
    for (const one of found.images || []) if (picture(one.url)) row.append(image("picture", picture(one.url), one.alt));
    if ((found.cards || []).length) row.append(cards(found.cards, found.layout));
    if ((found.buttons || []).length) row.append(choices(found.buttons));
    quick(found.quick_replies || []);
    down();
  };

  const quick = (buttons) => {
    const box = el("quick");
    box.replaceChildren(...buttons.map(choice));
    box.hidden = !buttons.length;
  };

  // Only the newest question may be answered by a button.
  const settle = () => {
    quick([]);
    for (const button of el("lines").querySelectorAll(".choices button:enabled")) button.disabled = true;
  };

  const typing = (on, name) => {
    el("typing").hidden = !on;
    el("typist").textContent = on && name !== undefined ? `${name || texts.agent} ${texts.typing}` : "";
    clearTimeout(typing.timer);
    if (on) { typing.timer = setTimeout(() => typing(false), 6000); down(); }
  };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  const SHOW = {
    user: (found) => {
      settle();
      const mine = waiting.get(found.client_message_id);
      if (mine) { mine.node.classList.remove("waiting"); waiting.delete(found.client_message_id); return; }
      if (document.querySelector(`[data-id="${CSS.escape(found.client_message_id)}"]`)) return;
      line("user", labels.get(JSON.stringify(found.postback)) || found.text || "…").dataset.id = found.client_message_id;
    },
    bot: async (found, live) => {
      if (found.messages.length) settle();
      for (const one of found.messages) {
        if (live && (one.delay_ms || one.typing_indicator)) { typing(true); await pause(Math.min(one.delay_ms || 600, 5000)); }
        typing(false);
        message(one);
      }
    },
    agent: (found) => { typing(false); settle(); line("agent", found.text, found.name || texts.agent); },
    system: (found) => {
      CHANGES[found.event]();
      if (found.event === "agent_joined") agent = found.name || texts.agent;
      if (texts[found.event]) line("system", say(found.event, found.name));
      controls();
    },
  };

  const CHANGES = {
    started: () => { ended = person = false; agent = ""; },
    restarted: () => { ended = person = false; agent = ""; },
    handed_over: () => { person = true; agent = ""; },
    agent_joined: () => { person = true; },
    agent_left: () => { agent = ""; },
    resumed: () => { person = false; agent = ""; },
    ended: () => { ended = true; person = false; agent = ""; settle(); },
  };

  const controls = () => {
    if (online) status(person && !agent ? "waiting" : "online", "on", agent);
    el("human").hidden = person || ended;
    el("again").hidden = !ended;
  };

  const show = (found) => {
    const live = found.seq > history;
    last = found.seq;
    queue = queue.then(() => SHOW[found.by](found, live)).then(down).catch(() => {});
  };

  const status = (key, kind, name) => { el("status").textContent = name || texts[key]; el("dot").className = `dot ${kind}`; };
  const ready = (on) => { el("text").disabled = el("send").disabled = !on; };

  const FRAMES = {
    hello: (frame) => {
      tries = 0;
      online = true;
      controls();
      ready(true);
      history = frame.last_seq;
      socket.send(JSON.stringify({ type: "subscribe", after: Math.min(last, frame.last_seq) }));
      for (const [id, one] of waiting) transmit(id, one.content);
    },
    line: show,
    ping: (frame) => socket.send(JSON.stringify({ type: "pong", seq: frame.seq })),
    ack: (frame) => {
      const one = waiting.get(frame.client_message_id);
      if (one) { one.node.classList.remove("waiting"); waiting.delete(frame.client_message_id); }
      if (!person && (frame.turn.status === "queued" || frame.turn.status === "running")) typing(true);  // the bot asks elsewhere
    },
    typing: (frame) => { if (frame.by === "agent") typing(frame.active, frame.name); },
    error: (frame) => {
      const one = waiting.get(frame.client_message_id);
      if (one) { waiting.delete(frame.client_message_id); one.node.remove(); }
      if (frame.error_code === "CONVERSATION_ENDED") { ended = true; controls(); line("system", texts.ended); return; }
      if (one) line("problem", texts.failed);
    },
  };

  const transmit = (id, content) => { if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "message", client_message_id: id, content })); };

  const send = (content, text) => {
    const id = `w-${random().slice(0, 24)}`;
    settle();
    const node = text ? line("user waiting", text) : make("li");
    node.dataset.id = id;
    waiting.set(id, { content, node });
    transmit(id, content);
    down();
  };

  // What the browser has kept opens nothing any more: it was another key's, or the chat has changed since.
  const STALE = new Set(["IDEMPOTENCY_KEY_REUSED", "UNAUTHENTICATED", "CONVERSATION_NOT_FOUND"]);

  const begin = async (afresh, again) => {
    if (afresh || !kept("start")) keep("start", random());
    const body = { start_id: kept("start"), ...(kept("token") ? { token: kept("token") } : {}), ...(page.locale ? { locale: page.locale } : {}), afresh: Boolean(afresh) };
    const answer = await fetch(page.session, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, credentials: "omit" });
    if (!answer.ok && !again && STALE.has((await answer.clone().json().catch(() => ({}))).error_code)) {
      keep("start", "");
      keep("token", "");
      wipe();
      return begin(false, true);
    }
    if (answer.status === 404) { status("gone", "off"); ready(false); throw new Error("gone"); }
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    keep("token", found.token);
    return found.ticket;
  };

  const connect = async (afresh) => {
    clearTimeout(retry);
    let ticket;
    try { ticket = await begin(afresh); } catch (fault) { if (fault.message !== "gone") later(); return; }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const mine = socket = new WebSocket(`${scheme}://${location.host}${page.socket}?ticket=${encodeURIComponent(ticket)}`, "mcp-chat.v1");
    mine.onmessage = (event) => { if (mine !== socket) return; const frame = JSON.parse(event.data); (FRAMES[frame.type] || (() => {}))(frame); };
    mine.onclose = (end) => {
      if (mine !== socket) return;
      if (end.code === 4404 || end.code === 4403) { status("gone", "off"); ready(false); return; }
      if (end.code === 4429) { line("problem", texts.slow); tries = Math.max(tries, 4); }
      later();
    };
  };

  const later = () => {
    online = false;
    status("offline", "off");
    tries += 1;
    const seconds = Math.min(30, 0.5 * 2 ** Math.min(tries, 6)) * (0.7 + Math.random() * 0.6);
    clearTimeout(retry);
    retry = setTimeout(() => connect(false), seconds * 1000);
  };

  // Another conversation: nothing of this one stays on the page.
  const wipe = () => {
    last = history = 0; ended = person = false; agent = ""; waiting.clear();
    el("lines").replaceChildren();
    controls();
  };

  const startAgain = () => {
    const old = socket;
    socket = null;
    if (old) old.close();
    wipe();
    connect(true);
    el("text").focus();
  };

  const submit = () => {
    const box = el("text");
    const text = box.value.trim();
    if (!text || box.disabled) return;
    box.value = "";
    send({ type: "text", text }, text);
    box.focus();
  };

  const colour = (value) => {
    if (!/^#[0-9a-f]{6}$/i.test(value)) return;
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    document.documentElement.style.setProperty("--accent", value);
    document.documentElement.style.setProperty("--on-accent", 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.36 ? "#111" : "#fff");
  };

  texts = JSON.parse(el("texts").textContent);
  colour(page.colour || "");
  el("say").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  el("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); } });
  el("text").addEventListener("input", () => {
    const now = Date.now();
    if (!person || now - typedAt < 2000 || !socket || socket.readyState !== WebSocket.OPEN) return;
    typedAt = now;
    socket.send(JSON.stringify({ type: "typing", active: el("text").value !== "" }));
  });
  el("human").addEventListener("click", () => send({ type: "command", text: "human" }, ""));
  el("again").addEventListener("click", startAgain);
  window.addEventListener("online", () => { if (!socket || socket.readyState > WebSocket.OPEN) connect(false); });
  connect(false);
})();
