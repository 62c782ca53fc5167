// The grid world: walls, a goal, and the agent on its way.

import { svg } from "./shapes.js";

export function maze(root, { parameters: { width, height }, play }) {
  const goal = svg("path", {
    class: "goal", d: "M0 -.34 .1 -.1 .34 -.08 .15 .08 .21 .33 0 .19 -.21 .33 -.15 .08 -.34 -.08 -.1 -.1Z",
  });
  const agent = svg("circle", { class: "agent", r: 0.3 });
  const cells = Array.from({ length: width * height }, (_, cell) => svg("rect", {
    class: "cell", x: cell % width + 0.04, y: Math.floor(cell / width) + 0.04,
    width: 0.92, height: 0.92, rx: 0.14,
  }));
  let here = 0;
  cells.forEach((shape, cell) => shape.addEventListener("click", () => {
    const step = { [here - 1]: 0, [here - width]: 1, [here + 1]: 2, [here + width]: 3 }[cell];
    if (step !== undefined) {
      play([step]);
    }
  }));
  root.append(svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "maze", role: "img" },
    [...cells, agent, goal]));
  const centre = (cell) => `translate(${cell % width + 0.5}px, ${Math.floor(cell / width) + 0.5}px)`;
  return {
    keys: { ArrowLeft: 0, ArrowUp: 1, ArrowRight: 2, ArrowDown: 3 },
    help: "Walk to the star with the arrow keys, or click a cell beside the agent.",
    show({ state: [at, end, ...blocked] }) {
      here = at;
      agent.style.transform = centre(at);
      goal.style.transform = centre(end);
      cells.forEach((shape, cell) => shape.classList.toggle("wall", blocked.includes(cell)));
    },
  };
}
