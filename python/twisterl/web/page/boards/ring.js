// TopSpin: tokens on a ring, a turnstile at its top.

import { hue, pressable, svg } from "./shapes.js";

const RADIUS = 40;

export function ring(root, { parameters: { num_tokens: count, turnstile }, actions, play }) {
  const turn = 360 / count;
  // Neighbours do not touch.
  const size = Math.min(8, 0.92 * RADIUS * Math.sin(Math.PI / count));
  const angle = (place) => (place - (turnstile - 1) / 2) * turn;
  const tokens = Array.from({ length: count }, (_, token) => svg("g", { class: "token" }, [
    svg("circle", { r: size, style: `--hue:${hue(token / count)}` }),
    svg("text", { "font-size": size * 0.95 }, [String(token + 1)]),
  ]));
  const act = (name) => () => play([actions.indexOf(name)]);
  const arc = (from, to) => {
    const point = (degrees) => {
      const radians = (degrees - 90) * Math.PI / 180;
      return `${RADIUS * Math.cos(radians)} ${RADIUS * Math.sin(radians)}`;
    };
    return `M${point(from)} A${RADIUS} ${RADIUS} 0 ${to - from > 180 ? 1 : 0} 1 ${point(to)}`;
  };
  const gate = pressable(svg("path", {
    class: "gate", d: arc(angle(0), angle(turnstile - 1)), "stroke-width": 2 * size + 6,
  }), "flip the turnstile", act("flip"));
  const button = (x, label, name) => pressable(svg("g", { class: "turn", transform: `translate(${x} 0)` }, [
    svg("circle", { r: 9 }), svg("text", { "font-size": 10 }, [label]),
  ]), `turn ${name}`, act(name));
  root.append(svg("svg", { viewBox: "-54 -54 108 108", class: "ring" }, [
    svg("circle", { class: "track", r: RADIUS, "stroke-width": 2 * size + 2 }), gate,
    button(-13, "↺", "left"), button(13, "↻", "right"), ...tokens,
  ]));
  return {
    keys: { ArrowLeft: 0, ArrowRight: 1, ArrowUp: 2, ArrowDown: 2, " ": 2 },
    help: "Turn the ring with the left and right keys; up, or a click on the turnstile, flips it. "
      + "At the end all numbers are in order.",
    show({ state }) {
      state.forEach((token, place) => {
        const degrees = angle(place);
        tokens[token].style.transform =
          `rotate(${degrees}deg) translateY(${-RADIUS}px) rotate(${-degrees}deg)`;
      });
    },
  };
}
