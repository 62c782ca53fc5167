// The sliding puzzle: tiles that slide when they are clicked, also whole rows towards the gap.

import { element, hue } from "./shapes.js";

const LEFT = 0;
const UP = 1;
const RIGHT = 2;
const DOWN = 3;

export function puzzle(root, { parameters: { width, height }, play }) {
  const cells = width * height;
  const tiles = [];
  let state = [];
  const board = element("div", { class: "tiles", style: `--w:${width};--h:${height}` });
  for (let tile = 1; tile < cells; tile += 1) {
    const shape = element("button", {
      class: "tile", type: "button", style: `--hue:${hue(tile / cells)}`, "aria-label": `tile ${tile}`,
    }, [String(tile)]);
    shape.addEventListener("click", () => press(state.indexOf(tile)));
    tiles[tile] = shape;
    board.append(shape);
  }
  root.append(board);

  function press(cell) {
    const gap = state.indexOf(0);
    const [x, y] = [cell % width, Math.floor(cell / width)];
    const [gapX, gapY] = [gap % width, Math.floor(gap / width)];
    if (y === gapY) {
      play(Array(Math.abs(x - gapX)).fill(x < gapX ? LEFT : RIGHT));
    } else if (x === gapX) {
      play(Array(Math.abs(y - gapY)).fill(y < gapY ? UP : DOWN));
    }
  }

  // A finger pushes a tile: the gap goes the other way.
  let begin = null;
  board.addEventListener("pointerdown", (event) => {
    begin = [event.clientX, event.clientY];
  });
  board.addEventListener("pointerup", (event) => {
    if (begin === null) {
      return;
    }
    const [dx, dy] = [event.clientX - begin[0], event.clientY - begin[1]];
    begin = null;
    if (Math.max(Math.abs(dx), Math.abs(dy)) > 24) {
      const sideways = Math.abs(dx) > Math.abs(dy);
      play([sideways ? (dx > 0 ? LEFT : RIGHT) : (dy > 0 ? UP : DOWN)]);
    }
  });

  return {
    keys: { ArrowLeft: LEFT, ArrowUp: UP, ArrowRight: RIGHT, ArrowDown: DOWN },
    help: "Click a tile beside the gap, swipe, or move the gap with the arrow keys. "
      + "At the end the gap comes first, then all numbers in order.",
    show(place) {
      state = place.state;
      state.forEach((tile, cell) => {
        if (tile === 0) {
          return;
        }
        const shape = tiles[tile];
        shape.style.setProperty("--x", cell % width);
        shape.style.setProperty("--y", Math.floor(cell / width));
        shape.classList.toggle("home", tile === cell);
      });
    },
  };
}
