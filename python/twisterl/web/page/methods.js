// How a board may be solved: what the engine is asked for.

const BEAMS = [16, 64, 128, 256, 1024];
const TREES = [50, 200, 800];
const TRIES = 100;
// A beam by values alone; the policy decides between equal ones.
const BY_VALUES = 1e6;

// The choices, the one first in `chosen` by which the run was judged.
export function methodsOf({ play, judged_by_value: byValue }) {
  const { beam_value_weight: weight, C, max_expand_depth, root_selection, gamma, transpositions } =
    play;
  const tree = { C, max_expand_depth, root_selection, gamma, transpositions };
  const beam = (width) => ({
    label: `beam search, ${width} wide`,
    asked: { strategy: "beam", beam_width: width, beam_value_weight: byValue ? BY_VALUES : weight },
  });
  const widths = [...new Set([...BEAMS, ...(play.strategy === "beam" ? [play.beam_width] : [])])];
  const beams = widths.sort((a, b) => a - b).map(beam);
  if (byValue) {
    const greedy = { label: "largest value", asked: { strategy: "value" } };
    return { methods: [greedy, ...beams], chosen: 1 + widths.indexOf(64) };
  }
  const methods = [
    { label: "policy, likeliest moves", asked: { strategy: "greedy", deterministic: true } },
    { label: `policy, best of ${TRIES} tries`, asked: { strategy: "sample", num_searches: TRIES } },
    ...beams,
    ...TREES.map((count) => ({
      label: `tree search, ${count} a move`,
      asked: { ...tree, strategy: "mcts", deterministic: true, num_mcts_searches: count },
    })),
  ];
  const wanted = play.strategy === "beam" ? play.beam_width : 64;
  return { methods, chosen: methods.findIndex(({ asked }) => asked.beam_width === wanted) };
}
