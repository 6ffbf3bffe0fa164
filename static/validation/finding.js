// The page of one finding: the panel at full width, alive.
(() => {
  "use strict";
  const { el, bind, refresh, live, api, select } = window.Codes;
  const where = el("panel"), finding = where.querySelector("[data-finding]");
  bind(where);
  select([finding.dataset.subject]);
  const typing = () => where.contains(document.activeElement) && document.activeElement.matches("textarea, select, input");
  const mine = (one) => one.id === finding.dataset.finding || one === finding.dataset.finding;
  api("GET", "summary").then((found) => {
    live(found.stream, (news) => {
      const about = !news || [...news.added, ...news.updated].some(mine) || news.resolved.length;
      if (about && !typing()) refresh(where);
    });
  });
})();
