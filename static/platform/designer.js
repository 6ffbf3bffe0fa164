// The picture of a flow: drag from the dot of a state to another state, and the two are connected. Without this script the states' pages do it.
(() => {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";

  const nodeAt = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest(".mcp-graph .node[data-state]");

  const placeIn = (svg, event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());

  const draw = (port, down) => {
    const form = document.getElementById("mcp-connect");
    const svg = port.ownerSVGElement;
    const source = port.closest(".node");
    if (!form || !source) return;
    down.preventDefault();
    const line = svg.appendChild(document.createElementNS(SVG, "line"));
    line.setAttribute("class", "drawn");
    const from = { x: port.cx.baseVal.value, y: port.cy.baseVal.value };
    let over = null;

    const move = (event) => {
      const to = placeIn(svg, event);
      for (const [name, value] of Object.entries({ x1: from.x, y1: from.y, x2: to.x, y2: to.y })) line.setAttribute(name, value);
      over?.classList.remove("over");
      over = nodeAt(event) ?? null;
      over?.classList.add("over");
    };
    const stop = (event) => {
      for (const [name, does] of Object.entries(heard)) window.removeEventListener(name, does);
      svg.classList.remove("drawing");
      line.remove();
      const target = event.type === "pointerup" ? nodeAt(event) : null;
      over?.classList.remove("over");
      if (!target || target === source) return; // a click on the dot alone
      form.elements.state.value = source.dataset.id;
      form.elements.target.value = target.dataset.state;
      form.submit();
    };
    const heard = { pointermove: move, pointerup: stop, pointercancel: stop };
    for (const [name, does] of Object.entries(heard)) window.addEventListener(name, does);
    svg.classList.add("drawing");
    move(down);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const port of document.querySelectorAll(".mcp-graph .port")) {
      port.addEventListener("pointerdown", (event) => draw(port, event));
      port.addEventListener("dragstart", (event) => event.preventDefault());
      port.closest("a").addEventListener("dragstart", (event) => event.preventDefault());
      // A short pull that ends on its own dot is no click on the state.
      port.addEventListener("click", (event) => event.preventDefault());
    }
  });
})();
