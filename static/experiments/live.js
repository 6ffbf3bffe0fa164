// The live page: the part with the numbers is asked for again every few seconds while somebody looks. It is escaped by the server's template.
(() => {
  "use strict";

  const EVERY_MS = 4000;
  const address = document.currentScript.dataset.live;

  const refresh = async () => {
    const part = document.getElementById("experiment-live");
    if (!part || document.hidden || part.contains(document.activeElement)) return;
    let answer;
    try {
      answer = await fetch(address, { headers: { "X-Requested-With": "fetch" } });
    } catch {
      return; // the server restarts: the next try comes soon
    }
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("experiment-live");
    if (!fresh) return;
    if (fresh.dataset.state !== part.dataset.state) return location.reload(); // other buttons belong to another state
    const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
    part.innerHTML = fresh.innerHTML;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  };

  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  setInterval(refresh, EVERY_MS);
})();
