//! A value of states: a sum over the ranks of their blocks, less where the goal is nearer.

use super::blocks::{grouped, Blocks, Group, Scratch, RANKS};
use super::lanes::{in_lanes, Lanes, Table, Words, LANES};
use crate::nn::CpuLevel;
use crate::rl::transvections::Matrices;
#[cfg(test)]
use crate::rl::transvections::Rows;

/// States of a step of learning.
pub(super) const BATCH: usize = 16;
/// How far a step of learning goes, at the first and at the last of a lesson.
const RATES: [f32; 2] = [5.0, 0.25];
/// Of whole numbers for one, where they do not become too large.
const FINEST: f32 = 64.0;

/// What is known of all states.
pub(super) struct Value {
    pub matrices: Matrices,
    pub blocks: Blocks,
    /// By block and rank.
    weights: Vec<f32>,
    tables: Vec<Tables>,
    /// So that the goal has 0.
    offset: u16,
    level: CpuLevel,
}

/// What the ranks of a block count, in whole numbers.
#[derive(Clone, Copy, Default)]
struct Tables {
    /// More than rank 0.
    counts: Table,
    /// More than the rank before.
    steps: Table,
}

impl Value {
    pub(super) fn new(matrices: Matrices) -> Self {
        let blocks = Blocks::new(&matrices);
        let weights = vec![0.0; blocks.len() * RANKS];
        let tables = vec![Tables::default(); blocks.len()];
        Self { matrices, blocks, weights, tables, offset: 0, level: CpuLevel::detect() }
    }

    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(super) fn set_weights(&mut self, weights: Vec<f32>) {
        self.weights = weights;
        self.settle();
    }

    /// Makes what was learned count in [`Value::children`].
    pub(super) fn settle(&mut self) {
        let range = |block: &[f32]| {
            let of = |choose: fn(f32, f32) -> f32| block.iter().copied().reduce(choose);
            of(f32::max).unwrap_or(0.0) - of(f32::min).unwrap_or(0.0)
        };
        let most: f32 =
            self.weights.chunks(RANKS).map(range).sum::<f32>() + self.blocks.len() as f32;
        let scale = FINEST.min(f32::from(i16::MAX) / most);
        for (tables, weights) in self.tables.iter_mut().zip(self.weights.chunks(RANKS)) {
            let whole = |weight: f32| (weight * scale).round() as i32;
            for rank in 1..RANKS {
                let step = (whole(weights[rank]) - whole(weights[rank - 1])) as u16;
                tables.steps.0[rank] = step;
                tables.counts.0[rank] = tables.counts.0[rank - 1].wrapping_add(step);
            }
        }
        let goal = grouped([self.matrices.goal].into_iter());
        self.offset = self.of(&goal).0[0].wrapping_neg();
    }

    /// Of all states, before the offset.
    fn of(&self, group: &Group) -> Words {
        let mut values = Words::ZERO;
        in_lanes!(self.level, L, self.in_lanes_of::<L>(group, &mut values));
        values
    }

    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn in_lanes_of<L: Lanes>(&self, group: &Group, values: &mut Words) {
        let scratch = &mut Scratch::<L>::new();
        for first in (0..LANES).step_by(L::COUNT) {
            let mut sum = L::all(0);
            for columns in &self.blocks.columns {
                let tables = self.tables_of(columns.number);
                self.blocks.reduce(
                    (group, first),
                    columns,
                    scratch,
                    #[inline(always)]
                    |block, _| sum = sum.plus(block.rank.looked_up(&tables[block.set].counts)),
                );
            }
            sum.store(values, first);
        }
    }

    /// Of a state what [`Value::children`] says of it before its last action.
    #[cfg(test)]
    pub(super) fn of_one(&self, rows: Rows) -> i16 {
        self.of(&grouped([rows].into_iter())).0[0].wrapping_add(self.offset) as i16
    }

    fn tables_of(&self, columns: usize) -> &[Tables] {
        &self.tables[columns * self.blocks.num_sets..][..self.blocks.num_sets]
    }

    /// Less that of the goal, those of all states after each action, as signed numbers, in `values [A]`.
    pub(super) fn children(&self, group: &Group, values: &mut [Words]) {
        in_lanes!(self.level, L, self.children_in_lanes::<L>(group, values));
    }

    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn children_in_lanes<L: Lanes>(&self, group: &Group, values: &mut [Words]) {
        let scratch = &mut Scratch::<L>::new();
        let (zero, one) = (L::all(0), L::all(1));
        for first in (0..LANES).step_by(L::COUNT) {
            let mut own = L::all(self.offset);
            for value in &mut *values {
                zero.store(value, first);
            }
            for columns in &self.blocks.columns {
                let tables = self.tables_of(columns.number);
                self.blocks.reduce(
                    (group, first),
                    columns,
                    scratch,
                    #[inline(always)]
                    |block, scratch| {
                        let Tables { counts, steps } = &tables[block.set];
                        own = own.plus(block.rank.looked_up(counts));
                        let up = block.rank.plus(one).looked_up(steps);
                        let down = zero.minus(block.rank.looked_up(steps));
                        self.blocks.changes(
                            columns,
                            block,
                            [up, down],
                            scratch,
                            #[inline(always)]
                            |_, change, mask, amount| {
                                let value = &mut values[change.action];
                                let sum = L::load(value, first);
                                sum.plus(L::choose(mask, amount, zero)).store(value, first);
                            },
                        );
                    },
                );
            }
            for value in &mut *values {
                L::load(value, first).plus(own).store(value, first);
            }
        }
    }

    /// A step towards values by which each state's action in `actions` is the likeliest, if an action is
    /// the likelier the less the state after it has (the gradient of the cross-entropy). `time` goes from
    /// 0 to 1.
    pub(super) fn learn(&mut self, group: &Group, actions: &[usize; BATCH], time: f32) {
        in_lanes!(self.level, L, self.learn_in_lanes::<L>(group, actions, time));
    }

    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn learn_in_lanes<L: Lanes>(
        &mut self,
        group: &Group,
        actions: &[usize; BATCH],
        time: f32,
    ) {
        let scratch = &mut Scratch::<L>::new();
        let mut steps = self.likely::<L>(group, scratch);
        let rate = RATES[0] * (RATES[1] / RATES[0]).powf(time) / self.blocks.len() as f32;
        for (action, steps) in steps.iter_mut().enumerate() {
            for (step, &wanted) in steps.iter_mut().zip(actions) {
                *step = rate * (*step - f32::from(u8::from(action == wanted)));
            }
        }
        let Self { blocks, weights, .. } = self;
        let (one, less) = (L::all(1), L::all(u16::MAX));
        let num_sets = blocks.num_sets;
        let mut before = vec![[0; BATCH]; num_sets];
        let mut after = Vec::new();
        for columns in &blocks.columns {
            after.resize(columns.changes.len() * num_sets, [0; BATCH]);
            blocks.reduce(
                (group, 0),
                columns,
                scratch,
                #[inline(always)]
                |block, scratch| {
                    before[block.set] = stored(block.rank);
                    blocks.changes(
                        columns,
                        block,
                        [one, less],
                        scratch,
                        #[inline(always)]
                        |number, _, mask, amount| {
                            let rank = L::choose(mask, block.rank.plus(amount), block.rank);
                            after[number * num_sets + block.set] = stored(rank);
                        },
                    );
                },
            );
            let weights = &mut weights[columns.number * num_sets * RANKS..][..num_sets * RANKS];
            for (number, change) in columns.changes.iter().enumerate() {
                // Where the ranks stay, the steps of all actions add up to nothing.
                let (steps, after) = (&steps[change.action], &after[number * num_sets..]);
                step(weights, &after[..num_sets], steps, 1.0);
                step(weights, &before, steps, -1.0);
            }
        }
    }

    /// How likely each action is `[A]` in each state, by the values of the states after it.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    unsafe fn likely<L: Lanes>(
        &self,
        group: &Group,
        scratch: &mut Scratch<L>,
    ) -> Vec<[f32; BATCH]> {
        let (one, less) = (L::all(1), L::all(u16::MAX));
        let mut own = [0.0; BATCH];
        let num_changes = self.blocks.columns.iter().map(|columns| columns.changes.len()).sum();
        let mut differences = vec![[0.0; BATCH]; num_changes];
        let mut left = &mut differences[..];
        for columns in &self.blocks.columns {
            let weights = &self.weights[columns.number * self.blocks.num_sets * RANKS..];
            let mut before = [0.0; BATCH];
            let after;
            (after, left) = left.split_at_mut(columns.changes.len());
            self.blocks.reduce(
                (group, 0),
                columns,
                scratch,
                #[inline(always)]
                |block, scratch| {
                    let weights = &weights[block.set * RANKS..][..RANKS];
                    add(&mut before, weights, block.rank);
                    self.blocks.changes(
                        columns,
                        block,
                        [one, less],
                        scratch,
                        #[inline(always)]
                        |number, _, mask, amount| {
                            let rank = L::choose(mask, block.rank.plus(amount), block.rank);
                            add(&mut after[number], weights, rank);
                        },
                    );
                },
            );
            for (lane, own) in own.iter_mut().enumerate() {
                *own += before[lane];
                after.iter_mut().for_each(|after| after[lane] -= before[lane]);
            }
        }
        let mut likely = vec![own; self.matrices.actions.len()];
        let changes = self.blocks.columns.iter().flat_map(|columns| &columns.changes);
        for (change, difference) in changes.zip(&differences) {
            likely[change.action].iter_mut().zip(difference).for_each(|(sum, more)| *sum += more);
        }
        for lane in 0..BATCH {
            let most = likely.iter().map(|values| -values[lane]).fold(f32::MIN, f32::max);
            likely.iter_mut().for_each(|values| values[lane] = (-values[lane] - most).exp());
            let sum: f32 = likely.iter().map(|values| values[lane]).sum();
            likely.iter_mut().for_each(|values| values[lane] /= sum);
        }
        likely
    }
}

/// Moves the weights of each set's ranks in each state, of all sets before the next state: they wait for
/// nothing but each other's turn.
#[inline(always)]
fn step(weights: &mut [f32], ranks: &[[u16; BATCH]], steps: &[f32; BATCH], sign: f32) {
    for (lane, step) in steps.iter().enumerate() {
        let step = sign * step;
        for (set, ranks) in ranks.iter().enumerate() {
            weights[set * RANKS + usize::from(ranks[lane])] += step;
        }
    }
}

/// The first lanes.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn stored<L: Lanes>(ranks: L) -> [u16; BATCH] {
    let (mut words, mut first) = (Words::ZERO, [0; BATCH]);
    ranks.store(&mut words, 0);
    first.copy_from_slice(&words.0[..BATCH]);
    first
}

/// What the ranks of the first lanes count.
///
/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn add<L: Lanes>(sums: &mut [f32; BATCH], weights: &[f32], ranks: L) {
    let ranks = stored(ranks);
    for (lane, sum) in sums.iter_mut().enumerate() {
        *sum += weights[usize::from(ranks[lane]).min(RANKS - 1)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::find;
    use crate::rng::Rng;
    use serde_json::json;

    fn levels() -> impl Iterator<Item = CpuLevel> {
        let all = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];
        all.into_iter().filter(|level| level.is_available())
    }

    #[test]
    fn a_step_goes_down_the_gradient_of_the_cross_entropy() {
        for (name, num_qubits) in [("Clifford", 3), ("LinearFunction", 4)] {
            let given = json!({"num_qubits": num_qubits, "topology": "line"});
            let mut env = find(name).unwrap().make(given.as_object().unwrap()).unwrap();
            let rng = &mut Rng::new(4);
            let states = [0; BATCH].map(|_: usize| {
                env.try_reset_uniform(rng).unwrap();
                env.matrices().unwrap().1
            });
            let mut value = Value::new(env.matrices().unwrap().0);
            let num_actions = value.matrices.actions.len();
            let wanted = [0; BATCH].map(|_: usize| rng.below(num_actions as u32) as usize);
            let before: Vec<f32> =
                value.weights.iter().map(|_| rng.below(1000) as f32 / 250.0).collect();
            // What one more of each weight adds to each state `[A, BATCH]` after each action.
            let after = |action| {
                grouped(states.into_iter().map(|mut rows| {
                    value.matrices.play(&mut rows, action);
                    rows
                }))
            };
            let after: Vec<Group> = (0..num_actions).map(after).collect();
            let counts: Vec<Vec<[f64; BATCH]>> = (0..before.len())
                .map(|one| {
                    value.set_weights((0..before.len()).map(|at| f32::from(at == one)).collect());
                    let whole = |group| value.of(group).0.map(|sum| f64::from(sum as i16));
                    let counted = |group| std::array::from_fn(|i| whole(group)[i] / 64.0);
                    after.iter().map(counted).collect()
                })
                .collect();
            let mut gradient = vec![0.0; before.len()];
            for lane in 0..BATCH {
                let of = |action: usize| -> f64 {
                    let each = counts.iter().zip(&before);
                    each.map(|(count, &weight)| count[action][lane] * f64::from(weight)).sum()
                };
                let likely: Vec<f64> = (0..num_actions).map(|a| f64::exp(-of(a))).collect();
                let whole: f64 = likely.iter().sum();
                for (gradient, count) in gradient.iter_mut().zip(&counts) {
                    *gradient += count[wanted[lane]][lane];
                    let mean = likely.iter().zip(count).map(|(p, count)| p * count[lane]);
                    *gradient -= mean.sum::<f64>() / whole;
                }
            }
            for (time, rate) in [0.0, 1.0].into_iter().zip(RATES) {
                for level in levels() {
                    value.set_weights(before.clone());
                    value.level = level;
                    value.learn(&grouped(states.iter().copied()), &wanted, time);
                    let rate = f64::from(rate) / value.blocks.len() as f64;
                    for ((&now, &then), gradient) in
                        value.weights.iter().zip(&before).zip(&gradient)
                    {
                        let step = f64::from(now - then) / rate;
                        assert!((step + gradient).abs() < 2e-3, "{name} {step} {gradient}");
                    }
                }
            }
            assert!(gradient.iter().any(|step| step.abs() > 1.0));
        }
    }

    #[test]
    fn values_after_an_action_are_those_of_the_state_there() {
        let ends = json!([[0, 1], [1, 0], [1, 2], [2, 1], [2, 0], [0, 2], [2, 3], [3, 2]]);
        for (name, given) in [
            ("Clifford", json!({"num_qubits": 5, "topology": "line"})),
            ("Clifford", json!({"num_qubits": 8, "topology": "grid"})),
            ("LinearFunction", json!({"num_qubits": 4, "edges": ends})),
            ("LinearFunction", json!({"num_qubits": 8, "topology": "star"})),
            ("LinearFunction", json!({"num_qubits": 12, "topology": "ring"})),
        ] {
            let mut env = find(name).unwrap().make(given.as_object().unwrap()).unwrap();
            let rng = &mut Rng::new(3);
            let states = [0; LANES].map(|_: usize| {
                env.try_reset_uniform(rng).unwrap();
                env.matrices().unwrap().1
            });
            let mut value = Value::new(env.matrices().unwrap().0);
            value.weights.iter_mut().for_each(|weight| *weight = rng.below(1000) as f32 / 250.0);
            value.settle();
            let whole = |value: &Value, states: &[_; LANES]| {
                let sums = value.of(&grouped(states.iter().copied()));
                sums.0.map(|sum| sum.wrapping_add(value.offset))
            };
            let num_actions = value.matrices.actions.len();
            let after: Vec<_> = (0..num_actions)
                .map(|action| {
                    let after = states.map(|mut rows| {
                        value.matrices.play(&mut rows, action);
                        rows
                    });
                    // From the left is from the right of the inverse.
                    let before = states.map(|rows| {
                        let mut rows = value.matrices.inverse(&rows);
                        value.matrices.play_before(&mut rows, action);
                        value.matrices.inverse(&rows)
                    });
                    assert_eq!(before, after, "{name} {given} {action}");
                    after
                })
                .collect();
            let wanted: Vec<_> = after.iter().map(|after| whole(&value, after)).collect();
            for level in levels() {
                value.level = level;
                assert_eq!(whole(&value, &after[0]), wanted[0], "{name} {given} {level:?}");
                let mut values = vec![Words::ZERO; num_actions];
                value.children(&grouped(states.iter().copied()), &mut values);
                for (action, (values, wanted)) in values.iter().zip(&wanted).enumerate() {
                    assert_eq!(&values.0, wanted, "{name} {given} {action} {level:?}");
                }
            }
        }
    }
}
