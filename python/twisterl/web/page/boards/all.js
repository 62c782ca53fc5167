// Which drawing shows which environment; those that none is made for are shown in letters.

import { cube } from "./cube.js";
import { graph } from "./graph.js";
import { lamps } from "./lamps.js";
import { matrix } from "./matrix.js";
import { maze } from "./maze.js";
import { pile } from "./pile.js";
import { plain } from "./plain.js";
import { puzzle } from "./puzzle.js";
import { ring } from "./ring.js";

const BOARDS = {
  Puzzle: puzzle, LightsOut: lamps, Cube2: cube, Permutation: graph, LinearFunction: matrix,
  GridWorld: maze, TopSpin: ring, Pancake: pile,
};

export function boardOf(name) {
  return BOARDS[name] || plain;
}
