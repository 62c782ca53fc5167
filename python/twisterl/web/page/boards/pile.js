// Pancakes: a click on one turns over all down to it.

import { hue, pressable, svg } from "./shapes.js";

export function pile(root, { parameters: { num_pancakes: count, burnt }, actions, play }) {
  const height = 100 / count;
  const shapes = Array.from({ length: count }, (_, size) => {
    const width = 28 + 68 * (size + 1) / count;
    const label = svg("text", { y: 0, "font-size": Math.min(5, height * 0.6) }, [String(size + 1)]);
    const shape = svg("g", { class: "pancake", style: `--hue:${hue(size / count)}` }, [
      svg("rect", { x: -width / 2, y: -height * 0.42, width, height: height * 0.84, rx: height * 0.4 }),
      svg("rect", { class: "burn", x: -width / 2 + 2, y: height * 0.16, width: width - 4, height: height * 0.2, rx: height * 0.1 }),
      label,
    ]);
    return pressable(shape, `pancake ${size + 1}`, () => {
      play([actions.indexOf(`flip(${places[size] + 1})`)]);
    });
  });
  let places = [];
  root.append(svg("svg", { viewBox: "-54 -4 108 108", class: burnt ? "pile burnt" : "pile" }, shapes));
  const keys = {};
  actions.forEach((name, action) => {
    const number = name.slice(5, -1);
    if (Number(number) < 10) {
      keys[number] = action;
    }
  });
  return {
    keys,
    help: "Click a pancake: all from the top down to it are turned over. "
      + `At the end the smallest is on top${burnt ? ", burnt sides down" : ""}.`,
    show({ state }) {
      state.forEach((entry, place) => {
        const size = burnt ? entry >> 1 : entry;
        places[size] = place;
        const up = burnt && entry % 2 === 1;
        shapes[size].style.transform = `translateY(${(place + 0.5) * height}px)${up ? " scaleY(-1)" : ""}`;
        shapes[size].querySelector("text").style.transform = up ? "scaleY(-1)" : "";
      });
    },
  };
}
