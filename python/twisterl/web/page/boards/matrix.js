// Linear functions: a matrix of bits; one row is added to another.

import { pressable, svg } from "./shapes.js";

export function matrix(root, { parameters: { num_qubits: count }, actions, play }) {
  const cells = Array.from({ length: count * count }, (_, entry) => svg("rect", {
    class: "bit", x: entry % count + 0.05, y: Math.floor(entry / count) + 0.05, width: 0.9, height: 0.9, rx: 0.16,
  }));
  let chosen = null;
  const rows = Array.from({ length: count }, (_, row) => pressable(svg("g", { class: "row" }, [
    svg("rect", { class: "handle", x: -0.85, y: row + 0.14, width: 0.72, height: 0.72, rx: 0.36 }),
    svg("text", { x: -0.49, y: row + 0.5, "font-size": 0.4 }, [String(row)]),
    ...cells.slice(row * count, (row + 1) * count),
  ]), `row ${row}`, () => press(row)));
  root.append(svg("svg", { viewBox: `-1 -0.1 ${count + 1.2} ${count + 0.2}`, class: "matrix" }, rows));

  function press(row) {
    const action = actions.indexOf(`cx(${chosen},${row})`);
    if (chosen !== null && action >= 0) {
      play([action]);
    }
    choose(chosen === null ? row : null);
  }

  function choose(row) {
    chosen = row;
    rows.forEach((shape, index) => {
      shape.classList.toggle("chosen", index === row);
      const able = row !== null && actions.includes(`cx(${row},${index})`);
      shape.classList.toggle("able", able);
    });
  }

  return {
    help: "Click a row, then one that it may be added to; only the diagonal must be left.",
    show({ state }) {
      cells.forEach((shape, entry) => {
        const diagonal = entry % (count + 1) === 0;
        shape.setAttribute("class", `bit ${state[entry] ? "on" : ""} ${diagonal ? "diagonal" : ""}`);
      });
    },
  };
}
