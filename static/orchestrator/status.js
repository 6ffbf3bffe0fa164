// The list of servers: read again every few seconds while somebody looks at it, so that states and figures are live.
(() => {
  "use strict";

  const EVERY_MS = 5000;
  const PARTS = ["#mcp-status", "#result_list tbody"];

  const refresh = async () => {
    if (document.hidden || document.querySelector("input.action-select:checked")) return;
    let answer;
    try {
      answer = await fetch(location.href, { headers: { "X-Requested-With": "fetch" } });
    } catch {
      return; // the next try comes soon
    }
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of PARTS) {
      const here = document.querySelector(part);
      const there = fresh.querySelector(part);
      if (here && there && here.innerHTML !== there.innerHTML) here.innerHTML = there.innerHTML;
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("[data-live]")) setInterval(refresh, EVERY_MS);
  });
})();
