// The 2x2x2 cube from in front and from behind; a click turns a face.

import { pressable, svg } from "./shapes.js";

// Where each face stands in the unfolded drawing of the engine: its row and column there.
const NET = { U: [0, 2], L: [2, 0], F: [2, 2], R: [2, 4], B: [2, 6], D: [4, 2] };
const A = 0.866;
// By face: corner of its first sticker, the way along a row, the way down a column.
const FRONT = {
  U: [[0, -2], [A, 0.5], [-A, 0.5]],
  F: [[-2 * A, -1], [A, 0.5], [0, 1]],
  R: [[0, 0], [A, -0.5], [0, 1]],
};
const BACK = {
  D: [[2 * A, 1], [-A, 0.5], [-A, -0.5]],
  B: [[-2 * A, -1], [A, -0.5], [0, 1]],
  L: [[0, -2], [A, 0.5], [0, 1]],
};

export function cube(root, { actions, play }) {
  const stickers = [];

  function face(name, [[x, y], [ax, ay], [bx, by]], turns) {
    const shapes = [0, 1, 2, 3].map((place) => {
      const [u, v] = [place % 2, Math.floor(place / 2)];
      const point = (du, dv) => {
        const [p, q] = [u + du, v + dv];
        return `${x + p * ax + q * bx},${y + p * ay + q * by}`;
      };
      const gap = 0.045;
      const shape = svg("polygon", {
        points: [point(gap, gap), point(1 - gap, gap), point(1 - gap, 1 - gap), point(gap, 1 - gap)].join(" "),
      });
      stickers.push({ shape, name, u, v });
      return shape;
    });
    const group = svg("g", { class: "face" }, shapes);
    return turns ? pressable(group, `turn ${name}`, (event) => {
      const action = actions.indexOf(event.shiftKey ? `${name}'` : name);
      play([action]);
    }) : group;
  }

  const view = (faces, x, scale, turns) => svg(
    "g", { transform: `translate(${x} 0) scale(${scale})` },
    Object.entries(faces).map(([name, frame]) => face(name, frame, turns)));
  root.append(svg("svg", { viewBox: "-1.95 -2.15 6.1 4.3", class: "cube" },
    [view(FRONT, 0, 1, true), view(BACK, 3.05, 0.55, false)]));
  const keys = {};
  actions.forEach((name, action) => {
    keys[name.length === 1 ? name.toLowerCase() : name[0]] ??= action;
  });
  actions.filter((name) => name.endsWith("'")).forEach((name) => {
    keys[name[0]] = actions.indexOf(name);
  });
  return {
    keys,
    help: "Click a face to turn it clockwise, with Shift counterclockwise; keys u, r, f and U, R, F. "
      + "The small cube is seen from behind and below.",
    show({ text }) {
      const lines = text.split("\n").map((line) => line.split(" "));
      const colour = (name, u, v) => {
        const [row, column] = NET[name];
        const line = lines[row + v].filter((letter) => letter);
        return line[(name === "U" || name === "D" ? 0 : column) + u];
      };
      stickers.forEach(({ shape, name, u, v }) => {
        shape.setAttribute("class", `sticker ${colour(name, u, v)}`);
      });
    },
  };
}
