//! Gradient descent on an objective: epochs of minibatches, each a step of Adam, piece by piece by all
//! workers.

use std::sync::Mutex;

use super::batch::{Minibatch, Samples};
use super::descent::{Descent, Losses, Objective};
use super::draws::Draws;
use super::gradient::Gradient;
use super::learner::Learner;
use crate::engine::pool::{num_workers, Poll};
use crate::engine::team::{self, Team};
use crate::error::Result;
use crate::locks::lock;
use crate::nn::{Flat, Loss, Seen, Trainable};

/// Floating-point operations of an update that are worth a thread.
const WORK_PER_THREAD: usize = 4_000_000;

/// Numbers whose squares are added up together.
const NORM_BLOCK: usize = 1 << 12;
/// Blocks that are added up at a time: each addition waits for the one before in its block.
const NORM_BLOCKS: usize = 8;

/// What the updates of a descent have in common.
struct Way<'a, O> {
    samples: &'a Samples<'a>,
    objective: &'a O,
    descent: &'a Descent,
    team: &'a Team,
}

impl Learner {
    /// Goes through `samples` as `descent` says, towards `objective`.
    ///
    /// # Errors
    /// If something is out of range or does not fit, or `poll` fails: weights and moments are those
    /// of the last update then.
    pub fn descend<O: Objective>(
        &mut self,
        samples: &Samples<'_>,
        objective: &O,
        descent: &Descent,
        poll: Poll<'_>,
    ) -> Result<Losses> {
        descent.check()?;
        self.set_precision(descent.precision)?;
        samples.check(self.num_actions(), self.num_twists(), self.network.state_size())?;
        let mut draws = Draws::new(samples, descent, &self.network);
        let work = 6 * draws.most_rows() * self.gradient.numbers().len();
        let workers = num_workers(descent.num_cores.min(work / WORK_PER_THREAD));
        team::lead(workers, poll, |team, poll| {
            let way = Way { samples, objective, descent, team };
            self.follow(&way, &mut draws, poll)
        })
    }

    fn follow<O: Objective>(
        &mut self,
        way: &Way<'_, O>,
        draws: &mut Draws<'_>,
        poll: Poll<'_>,
    ) -> Result<Losses> {
        self.pack(way.team)?;
        let mut minibatch = Minibatch::default();
        let mut losses = Vec::new();
        for _ in 0..way.descent.num_epochs {
            let mut sums: Vec<f64> = Vec::new();
            let mut seen = 0;
            let mut within = true;
            for _ in 0..draws.num_parts() {
                draws.take(&mut minibatch);
                let found;
                (found, within) = self.update(way, &minibatch, draws, poll)?;
                sums.resize(found.len(), 0.0);
                let weighted = found.iter().map(|loss| loss * minibatch.len() as f64);
                sums.iter_mut().zip(weighted).for_each(|(sum, loss)| *sum += loss);
                seen += minibatch.len();
                if !within {
                    break;
                }
            }
            losses = sums.iter().map(|sum| sum / seen as f64).collect();
            if !within {
                break;
            }
        }
        Ok(losses)
    }

    /// One step of Adam: its losses, and false if it was refused. Makes the next minibatch beside it.
    fn update<O: Objective>(
        &mut self,
        way: &Way<'_, O>,
        minibatch: &Minibatch,
        draws: &mut Draws<'_>,
        poll: Poll<'_>,
    ) -> Result<(Losses, bool)> {
        let &Way { samples, objective, descent, team } = way;
        let Self { network, gradient, chunks, squares, .. } = self;
        let Minibatch { views, courses, .. } = minibatch;
        let seen = Seen { rows: samples.rows, views, courses };
        let loss = MeanOf { objective, minibatch, scale: 1.0 / minibatch.len() as f32 };
        let chunks = network.cut(seen, chunks);
        let work = Gradient::new(chunks.iter_mut(), team.num_workers());
        let pieces = network.pieces(gradient);
        // The gradient stays that of the last update where this one is refused.
        let pieces = if objective.may_go_too_far() {
            Some(pieces)
        } else {
            work.fill(pieces);
            None
        };
        let draws = Mutex::new(Some(draws));
        let everybody = 0..team.num_workers();
        team.share(everybody.clone(), poll, |worker| {
            // In a statement of its own, which keeps the others out no longer.
            let taken = lock(&draws).take();
            if let Some(draws) = taken {
                draws.make(network);
            }
            work.work(worker, network, |chunk| network.pass(seen, &loss, chunk))
        })?;
        let chunks = work.passed();
        let mut means = vec![0.0; O::NUM_TERMS];
        for chunk in &chunks {
            means.iter_mut().zip(chunk.terms()).for_each(|(sum, term)| *sum += term);
        }
        means.iter_mut().for_each(|sum| *sum /= minibatch.len() as f64);
        let l2 = objective.l2();
        let mut sum_of_squares = |of: &Flat| sum_of_squares(team, network, of, squares);
        let losses = objective
            .losses(&means, if l2 > 0.0 { sum_of_squares(network.weights())? } else { 0.0 });
        if objective.goes_too_far(&losses) {
            return Ok((losses, false));
        }
        if let Some(pieces) = pieces {
            work.fill(pieces);
            team.share(everybody, poll, |worker| work.work(worker, network, |_| Ok(())))?;
        }
        drop(work);
        network.fill_rest(&chunks, gradient);
        if l2 > 0.0 {
            let pairs = gradient.numbers_mut().iter_mut().zip(network.weights().numbers());
            pairs.for_each(|(gradient, weight)| *gradient += 2.0 * l2 * weight);
        }
        let scale = match descent.max_grad_norm {
            Some(most) => most / (sum_of_squares(gradient)?.sqrt() as f32 + 1e-6),
            None => 1.0,
        };
        self.take_step(way, scale)?;
        Ok((losses, true))
    }

    /// Moves all weights: what has begun here is not given up.
    fn take_step<O>(&mut self, way: &Way<'_, O>, scale: f32) -> Result<()> {
        let Self { network, adam, gradient, .. } = self;
        let kernels = network.kernels();
        let weights = network.weights_mut();
        let (rates, blocks) = adam.step(&way.descent.adam, weights, gradient, scale);
        way.team.share(blocks, &mut || Ok(()), |block| {
            kernels.widely(
                #[inline(always)]
                || rates.take_step(block),
            );
            Ok(())
        })?;
        self.pack(way.team)
    }

    /// Lets the layers see the weights as they are now.
    fn pack(&mut self, team: &Team) -> Result<()> {
        team.share(self.network.pack().into_iter(), &mut || Ok(()), |pack| {
            pack();
            Ok(())
        })
    }
}

/// An objective on the rows of a minibatch.
struct MeanOf<'a, O> {
    objective: &'a O,
    minibatch: &'a Minibatch,
    scale: f32,
}

impl<O: Objective> Loss for MeanOf<'_, O> {
    const NUM_TERMS: usize = O::NUM_TERMS;

    fn row(
        &self,
        row: usize,
        logits: &[f32],
        value: f32,
        gradient: &mut [f32],
        scratch: &mut Vec<f32>,
        terms: &mut [f64],
    ) -> f32 {
        let samples = self.minibatch.samples(row);
        self.objective.observe(samples, self.scale, logits, value, gradient, scratch, terms)
    }
}

/// In blocks, so that the sum is the same wherever it is made; `sums` are theirs.
fn sum_of_squares(team: &Team, network: &Trainable, of: &Flat, sums: &mut Vec<f64>) -> Result<f64> {
    sums.resize(of.numbers().len().div_ceil(NORM_BLOCK), 0.0);
    let parts = of.numbers().chunks(NORM_BLOCKS * NORM_BLOCK).zip(sums.chunks_mut(NORM_BLOCKS));
    team.share(parts, &mut || Ok(()), |(numbers, sums)| {
        squares_of_blocks(numbers, sums);
        Ok(())
    })?;
    let repeated = network.repeated(of).map(|number| f64::from(number).powi(2));
    Ok(sums.iter().sum::<f64>() - repeated.sum::<f64>())
}

/// Of up to `NORM_BLOCKS` blocks, the last of which may be shorter.
fn squares_of_blocks(numbers: &[f32], sums: &mut [f64]) {
    static ZEROS: [f32; NORM_BLOCK] = [0.0; NORM_BLOCK];
    let (blocks, rest) = numbers.as_chunks::<NORM_BLOCK>();
    let mut found = [0.0f32; NORM_BLOCKS];
    let whole: [&[f32; NORM_BLOCK]; NORM_BLOCKS] =
        std::array::from_fn(|i| blocks.get(i).unwrap_or(&ZEROS));
    for i in 0..NORM_BLOCK {
        for (sum, block) in found.iter_mut().zip(whole) {
            *sum += block[i] * block[i];
        }
    }
    let rest: f32 = rest.iter().map(|number| number * number).sum();
    let found = found[..blocks.len()].iter().chain([&rest]);
    sums.iter_mut().zip(found).for_each(|(to, sum)| *to = f64::from(*sum));
}
