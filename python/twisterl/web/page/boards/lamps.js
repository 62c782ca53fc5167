// Lights Out: lamps; a press flips one and its neighbours.

import { element } from "./shapes.js";

export function lamps(root, { parameters: { width, height }, play }) {
  const board = element("div", { class: "lamps", style: `--w:${width};--h:${height}` });
  const shapes = Array.from({ length: width * height }, (_, cell) => {
    const shape = element("button", { type: "button", class: "lamp" });
    shape.addEventListener("click", () => play([cell]));
    return shape;
  });
  board.append(...shapes);
  root.append(board);
  return {
    help: "Press a lamp: it and its neighbours change, until all are dark. Tab and Enter work too.",
    show({ state }) {
      shapes.forEach((shape, cell) => {
        const [x, y] = [cell % width, Math.floor(cell / width)];
        shape.classList.toggle("on", state[cell] === 1);
        shape.setAttribute("aria-pressed", state[cell] === 1);
        shape.setAttribute("aria-label", `lamp ${x + 1}, ${y + 1}, ${state[cell] ? "on" : "off"}`);
      });
    },
  };
}
