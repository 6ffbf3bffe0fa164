// The button on other sites: it opens the chat page in a frame. Everything is drawn through properties, so a strict policy of the site is kept:
// it needs script-src and frame-src for this server, nothing else.
(function (chat) {
  "use strict";

  var script = document.currentScript;
  var page = script.src.replace(/embed\.js(\?.*)?$/, "");
  var locale = script.dataset.locale || chat.locale || document.documentElement.lang || "";
  var label = chat.labels[(locale || navigator.language || "en").slice(0, 2).toLowerCase()] || chat.labels.en;
  var frame = null;

  var put = function (node, styles) { for (var name in styles) node.style[name] = styles[name]; return node; };

  var button = put(document.createElement("button"), {
    position: "fixed", right: "20px", bottom: "20px", width: "56px", height: "56px", borderRadius: "50%", border: "0", cursor: "pointer",
    background: chat.colour, color: "#fff", boxShadow: "0 4px 16px rgba(0,0,0,.28)", fontSize: "26px", lineHeight: "56px", padding: "0", zIndex: "2147483000",
  });
  button.type = "button";
  button.textContent = "\u{1F4AC}";
  button.title = chat.title;
  button.setAttribute("aria-label", label.open);
  button.setAttribute("aria-expanded", "false");

  var open = function () {
    if (!frame) {
      frame = put(document.createElement("iframe"), {
        position: "fixed", right: "20px", bottom: "88px", width: "min(400px, calc(100vw - 40px))", height: "min(640px, calc(100vh - 110px))", border: "0",
        borderRadius: "14px", boxShadow: "0 8px 32px rgba(0,0,0,.3)", background: "#fff", zIndex: "2147483000",
      });
      frame.title = chat.title;
      frame.src = page + "?embed=1" + (locale ? "&locale=" + encodeURIComponent(locale) : "");
      document.body.appendChild(frame);
    }
    frame.style.display = "block";
    button.textContent = "\u2715";
    button.setAttribute("aria-label", label.close);
    button.setAttribute("aria-expanded", "true");
    frame.focus();
  };
  var close = function () {
    frame.style.display = "none";
    button.textContent = "\u{1F4AC}";
    button.setAttribute("aria-label", label.open);
    button.setAttribute("aria-expanded", "false");
    button.focus();
  };

  button.addEventListener("click", function () { if (frame && frame.style.display !== "none") close(); else open(); });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape" && frame && frame.style.display !== "none") close(); });
  var show = function () { document.body.appendChild(button); };
  if (document.body) show(); else document.addEventListener("DOMContentLoaded", show);
})
