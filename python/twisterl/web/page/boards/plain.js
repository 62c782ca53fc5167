// Any other environment: its own drawing in letters, or the numbers of its state.

import { element } from "./shapes.js";

export function plain(root, { actions }) {
  const board = element("pre", { class: "plain" });
  root.append(board);
  const directions = { left: "ArrowLeft", up: "ArrowUp", right: "ArrowRight", down: "ArrowDown" };
  const keys = {};
  actions.forEach((name, action) => {
    if (directions[name]) {
      keys[directions[name]] = action;
    } else if (action < 10) {
      keys[String(action)] = action;
    }
  });
  return {
    keys,
    help: "Press an action beside the board; keys 0 to 9 play the first ten.",
    show({ text, state }) {
      board.textContent = text.trimEnd() || (state || []).join(" ");
    },
  };
}
