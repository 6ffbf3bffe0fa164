// Asks how far the operation is, and shows the whole page anew when it has ended.
(() => {
  const address = document.currentScript.dataset.progress;
  const look = async () => {
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      if (answer.ok) {
        const told = await answer.json();
        if (!told.open) return location.reload();
        document.getElementById("mcp-live").innerHTML = told.html; // escaped by the server's template
      }
    } catch { /* the server restarts: ask again */ }
    setTimeout(look, 700);
  };
  setTimeout(look, 300);
})();
