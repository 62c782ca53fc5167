//! A value of states: a sum over the ranks of their blocks, less where the goal is nearer.

use std::num::Wrapping;
use std::ops::{AddAssign, Sub};

use super::blocks::{grouped, Blocks, Group, Lanes, LANES, MOST_COLUMNS, RANKS};
use crate::rl::transvections::Matrices;

/// Less that of the goal.
pub(super) type Values = [Wrapping<i16>; LANES];

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
    /// How much more than at the rank before, in whole numbers.
    steps: Vec<Wrapping<i16>>,
    /// So that the goal has 0.
    offset: Wrapping<i16>,
}

impl Value {
    pub(super) fn new(matrices: Matrices) -> Self {
        let blocks = Blocks::new(&matrices);
        let weights = vec![0.0; blocks.len() * RANKS];
        let steps = vec![Wrapping(0); weights.len()];
        Self { matrices, blocks, weights, steps, offset: Wrapping(0) }
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
        for (steps, weights) in self.steps.chunks_mut(RANKS).zip(self.weights.chunks(RANKS)) {
            let whole = |weight: f32| (weight * scale).round() as i32;
            for rank in 1..RANKS {
                steps[rank] = Wrapping((whole(weights[rank]) - whole(weights[rank - 1])) as i16);
            }
        }
        let goal = grouped([self.matrices.goal].into_iter());
        self.offset = Wrapping(0) - self.of(&goal)[0];
    }

    /// Of all states, before the offset.
    fn of(&self, group: &Group) -> Values {
        let mut sum = [Wrapping(0); LANES];
        for &columns in &self.blocks.columns {
            self.blocks.ranks(
                group,
                columns,
                #[inline(always)]
                |block, ranks| self.add(block, ranks, &mut sum),
            );
        }
        sum
    }

    /// Calls `told(action, values)` with those of all states after each action.
    pub(super) fn children(&self, group: &Group, told: impl FnMut(usize, &Values)) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has it.
            return unsafe { self.children_by_avx2(group, told) };
        }
        self.children_by_any(group, told);
    }

    // What it calls is inlined, closures too: else they would be compiled for any processor.
    /// # Safety
    /// The processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn children_by_avx2(&self, group: &Group, told: impl FnMut(usize, &Values)) {
        self.children_by_any(group, told);
    }

    #[inline(always)]
    fn children_by_any(&self, group: &Group, told: impl FnMut(usize, &Values)) {
        self.after_each(
            group,
            self.offset,
            #[inline(always)]
            |block, ranks, sum| self.add(block, ranks, sum),
            told,
        );
    }

    #[inline(always)]
    fn add(&self, block: usize, ranks: &Lanes, sum: &mut Values) {
        let steps = &self.steps[block * RANKS..][..RANKS];
        for (rank, &step) in steps.iter().enumerate().take(self.blocks.most_rank(block) + 1).skip(1)
        {
            for lane in 0..LANES {
                let is_there = ranks[lane] as i16 >= rank as i16;
                sum[lane] += if is_there { step } else { Wrapping(0) };
            }
        }
    }

    /// Calls `told(action, sums)` with `first` and the sums by `add` of all states after each action.
    #[inline(always)]
    fn after_each<T: Copy + Default + AddAssign + Sub<Output = T>>(
        &self,
        group: &Group,
        first: T,
        add: impl Fn(usize, &Lanes, &mut [T; LANES]),
        mut told: impl FnMut(usize, &[T; LANES]),
    ) {
        let mut sums = [[T::default(); LANES]; MOST_COLUMNS];
        let mut own = [first; LANES];
        for (&columns, sum) in self.blocks.columns.iter().zip(&mut sums) {
            self.blocks.ranks(
                group,
                columns,
                #[inline(always)]
                |block, ranks| add(block, ranks, sum),
            );
            for lane in 0..LANES {
                own[lane] += sum[lane];
            }
        }
        for (action, changed) in self.blocks.changed.iter().enumerate() {
            let after = self.blocks.after(group, &self.matrices, action);
            let mut values = own;
            for &columns in changed {
                let mut sum = [T::default(); LANES];
                self.blocks.ranks(
                    &after,
                    columns,
                    #[inline(always)]
                    |block, ranks| add(block, ranks, &mut sum),
                );
                let before = &sums[columns.number];
                for lane in 0..LANES {
                    values[lane] += sum[lane] - before[lane];
                }
            }
            told(action, &values);
        }
    }

    /// A step towards values by which each state's action in `actions` is the likeliest, if an action is
    /// the likelier the less the state after it has (the gradient of the cross-entropy). `time` goes from
    /// 0 to 1.
    pub(super) fn learn(&mut self, group: &Group, actions: &[usize], time: f32) {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has it.
            return unsafe { self.learn_by_avx2(group, actions, time) };
        }
        self.learn_by_any(group, actions, time);
    }

    /// # Safety
    /// The processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    unsafe fn learn_by_avx2(&mut self, group: &Group, actions: &[usize], time: f32) {
        self.learn_by_any(group, actions, time);
    }

    #[inline(always)]
    fn learn_by_any(&mut self, group: &Group, actions: &[usize], time: f32) {
        let mut likely = Vec::with_capacity(self.matrices.actions.len());
        self.after_each(
            group,
            0.0,
            #[inline(always)]
            |block, ranks: &Lanes, sum: &mut [f32; LANES]| {
                let weights = &self.weights[block * RANKS..][..RANKS];
                for (sum, &rank) in sum.iter_mut().zip(ranks) {
                    *sum += weights[usize::from(rank).min(RANKS - 1)];
                }
            },
            |_, sums| likely.push(sums.map(|sum| -sum)),
        );
        for lane in 0..actions.len() {
            let most = likely.iter().map(|values| values[lane]).fold(f32::MIN, f32::max);
            likely.iter_mut().for_each(|values| values[lane] = (values[lane] - most).exp());
            let sum: f32 = likely.iter().map(|values| values[lane]).sum();
            likely.iter_mut().for_each(|values| values[lane] /= sum);
        }
        let rate = RATES[0] * (RATES[1] / RATES[0]).powf(time) / self.blocks.len() as f32;
        let Self { matrices, blocks, weights, .. } = self;
        for (action, changed) in blocks.changed.iter().enumerate() {
            let after = blocks.after(group, matrices, action);
            for &columns in changed {
                // Where the ranks stay, the steps of all actions add up to nothing.
                for (states, sign) in [(&after, rate), (group, -rate)] {
                    blocks.ranks(
                        states,
                        columns,
                        #[inline(always)]
                        |block, ranks| {
                            for (lane, &wanted) in actions.iter().enumerate() {
                                let is_wanted = f32::from(u8::from(action == wanted));
                                let step = sign * (likely[action][lane] - is_wanted);
                                weights[block * RANKS + usize::from(ranks[lane])] += step;
                            }
                        },
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::find;
    use crate::rng::Rng;
    use serde_json::json;

    #[test]
    fn values_after_an_action_are_those_of_the_state_there() {
        let ends = json!([[0, 1], [1, 0], [1, 2], [2, 1], [2, 0], [0, 2], [2, 3], [3, 2]]);
        for (name, given) in [
            ("Clifford", json!({"num_qubits": 5, "topology": "line"})),
            ("Clifford", json!({"num_qubits": 8, "topology": "grid"})),
            ("LinearFunction", json!({"num_qubits": 4, "edges": ends})),
            ("LinearFunction", json!({"num_qubits": 8, "topology": "star"})),
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
            let whole = |states: &[_; LANES]| {
                value.of(&grouped(states.iter().copied())).map(|sum| sum + value.offset)
            };
            value.children(&grouped(states.iter().copied()), |action, values| {
                let after = states.map(|mut rows| {
                    value.matrices.play(&mut rows, action);
                    rows
                });
                assert_eq!(whole(&after), *values, "{name} {given} {action}");
                // From the left is from the right of the inverse.
                let before = states.map(|rows| {
                    let mut rows = value.matrices.inverse(&rows);
                    value.matrices.play_before(&mut rows, action);
                    value.matrices.inverse(&rows)
                });
                assert_eq!(before, after, "{name} {given} {action}");
            });
        }
    }
}
