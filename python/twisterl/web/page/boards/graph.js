// Permutation routing: tokens on the vertices of a graph, which a click on an edge swaps.

import { hue, pressable, svg } from "./shapes.js";

export function graph(root, { parameters: { num_qubits: count, topology, edges }, actions, play }) {
  const points = layout(count, edges ? "circle" : topology);
  const at = (vertex) => points[vertex];
  const size = Math.min(7, 60 / Math.sqrt(count * 4));
  const lines = actions.map((name, action) => {
    const [a, b] = name.match(/\d+/g).map(Number);
    const [[x1, y1], [x2, y2]] = [at(a), at(b)];
    return pressable(svg("g", { class: "edge" }, [
      svg("line", { class: "reach", x1, y1, x2, y2 }), svg("line", { x1, y1, x2, y2 }),
    ]), name, () => play([action]));
  });
  const homes = points.map(([x, y], vertex) => svg("circle", {
    class: "home", cx: x, cy: y, r: size * 1.28, style: `--hue:${hue(vertex / count)}`,
  }));
  const tokens = points.map((_, token) => svg("g", { class: "token" }, [
    svg("circle", { r: size, style: `--hue:${hue(token / count)}` }),
    svg("text", { "font-size": size * 0.95 }, [String(token)]),
  ]));
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, top] = [Math.min(...xs) - 12, Math.min(...ys) - 12];
  const box = [left, top, Math.max(...xs) + 12 - left, Math.max(...ys) + 12 - top];
  root.append(svg("svg", { viewBox: box.join(" "), class: "graph" }, [...lines, ...homes, ...tokens]));
  return {
    help: "Click a line: the tokens at its ends change places. Each goes to the ring of its colour.",
    show({ state }) {
      state.forEach((token, vertex) => {
        const [x, y] = at(vertex);
        tokens[token].style.transform = `translate(${x}px, ${y}px)`;
        tokens[token].classList.toggle("home", token === vertex);
      });
    },
  };
}

function layout(count, topology) {
  const vertices = Array.from({ length: count }, (_, vertex) => vertex);
  const circle = (index, of) => {
    const angle = 2 * Math.PI * index / of - Math.PI / 2;
    return [42 * Math.cos(angle), 42 * Math.sin(angle)];
  };
  if (topology === "grid") {
    const rows = vertices.map((row) => row + 1).reverse()
      .find((row) => row * row <= count && count % row === 0) || 1;
    const columns = count / rows;
    return vertices.map((vertex) => [26 * (vertex % columns), 26 * Math.floor(vertex / columns)]);
  }
  if (topology === "line") {
    // In rows like a snake, so that long ones stay large.
    const columns = Math.max(3, Math.ceil(Math.sqrt(count)));
    return vertices.map((vertex) => {
      const [row, place] = [Math.floor(vertex / columns), vertex % columns];
      return [26 * (row % 2 ? columns - 1 - place : place), 26 * row];
    });
  }
  if (topology === "star") {
    return vertices.map((vertex) => (vertex ? circle(vertex - 1, count - 1) : [0, 0]));
  }
  return vertices.map((vertex) => circle(vertex, count));
}
