//! Gradient descent on an objective: epochs of minibatches, each a step of Adam.

use std::sync::{Mutex, PoisonError};

use super::adam::{Adam, AdamConfig, Moment};
use super::batch::{shuffled, Minibatch, Samples};
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::{Error, Result};
use crate::nn::{Chunk, Flat, HeadSpec, Loss, NetSpec, Parameter, Piece, Seen, Trainable};
use crate::rl::env::Twists;
use crate::rng::{mix, Rng};

/// Floating-point operations of an update that are worth a thread: waking it takes as long.
const WORK_PER_THREAD: usize = 20_000_000;
/// Tells the streams of training from those of collecting.
const TRAINING: u64 = 0x7A11_1246_0000_0001;
/// Numbers whose squares are added up together.
const NORM_BLOCK: usize = 1 << 12;

/// What an algorithm asks of a network: the mean over the samples of what it says of each.
pub trait Objective: Sync {
    /// Terms that are added up over the samples.
    const NUM_TERMS: usize;

    /// The samples of one observation, which all have its outputs `logits [A]`, before masks, and
    /// `value`; behind the outputs are the head's own parameters, `[A + H]` in all. Adds their terms
    /// to `terms`; writes the gradient of what is minimized by the outputs and parameters to
    /// `gradient [A + H]`, and returns that by the value; both times `scale`, one over the number of
    /// samples.
    #[allow(clippy::too_many_arguments)]
    fn observe(
        &self,
        samples: &[u32],
        scale: f32,
        logits: &[f32],
        value: f32,
        gradient: &mut [f32],
        scratch: &mut Vec<f32>,
        terms: &mut [f64],
    ) -> f32;

    /// The named losses from the mean terms and the sum of all squared weights.
    fn losses(&self, means: &[f64], squares: f64) -> Vec<f64>;

    /// The weight of the sum of all squared weights in what is minimized.
    fn l2(&self) -> f32 {
        0.0
    }

    /// Whether to refuse the update that has these losses, and all that would follow.
    fn goes_too_far(&self, _losses: &[f64]) -> bool {
        false
    }
}

/// How to go through the samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    pub adam: AdamConfig,
    pub num_epochs: usize,
    /// Samples of an epoch, drawn anew for each; all of them if there are not more.
    pub epoch_size: usize,
    /// Samples of an update; `None`: all of an epoch.
    pub minibatch_size: Option<usize>,
    /// A longer gradient is shortened to it.
    pub max_grad_norm: Option<f32>,
    /// Show each sample through a twist that is drawn anew in every epoch.
    pub draw_twists: bool,
    /// Names the random streams, with the iteration.
    pub seed: u64,
    pub iteration: u64,
    /// Capped at what the machine has and the network is worth.
    pub num_cores: usize,
}

/// The mean losses of the last epoch, in the order of the objective.
pub type Losses = Vec<f64>;

/// A network in training: its weights and Adam's moments.
///
/// ```
/// use twisterl::nn::NetSpec;
/// use twisterl::spaces::Rows;
/// use twisterl::train::{walk::{self, WalkTargets}, Descent, Learner, Samples};
///
/// # fn main() -> twisterl::Result<()> {
/// let spec = NetSpec::parse(r#"{
///     "encoder": [{"block": "bag", "name": "embeddings", "features": 4, "out": 16}, {"block": "relu"}],
///     "action": [{"block": "linear", "name": "action.0", "inputs": 16, "out": 2}],
///     "value": [{"block": "linear", "name": "value.0", "inputs": 16, "out": 1}]
/// }"#)?;
/// let mut learner = Learner::new(&spec, &Default::default())?;
/// learner.set(0, &[0.1; 64])?;
/// let mut rows = Rows::default();
/// rows.push(&[0, 2]);
/// let samples = Samples { rows: &rows, twists: &[-1], row_of: &[0], illegal: None, sequences: None };
/// let targets = WalkTargets { undo: &[1.0, 0.0], values: &[0.5], weights: &[1.0], vf_coef: 1.0 };
/// let descent = Descent { num_epochs: 50, ..Descent::default() };
/// let first = walk::train(&mut learner, &samples, &targets, &Descent::default(), &mut || Ok(()))?;
/// let last = walk::train(&mut learner, &samples, &targets, &descent, &mut || Ok(()))?;
/// assert!(last[2] < first[2]);
/// # Ok(())
/// # }
/// ```
pub struct Learner {
    network: Trainable,
    adam: Adam,
    gradient: Flat,
    chunks: Vec<Chunk>,
}

/// The weights and moments of a [`Learner`], to go back to.
pub(crate) struct Saved {
    weights: Flat,
    adam: Adam,
}

impl Default for Descent {
    /// One pass over all samples, in one update.
    fn default() -> Self {
        Self {
            adam: AdamConfig::default(),
            num_epochs: 1,
            epoch_size: usize::MAX,
            minibatch_size: None,
            max_grad_norm: None,
            draw_twists: false,
            seed: 0,
            iteration: 0,
            num_cores: 1,
        }
    }
}

impl Descent {
    /// Refuses what is out of range.
    pub fn check(&self) -> Result<()> {
        self.adam.check()?;
        let counts = [
            ("num_epochs", self.num_epochs),
            ("epoch_size", self.epoch_size),
            ("minibatch_size", self.minibatch_size.unwrap_or(1)),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::invalid(*name, "at least 1", 0));
        }
        match self.max_grad_norm {
            Some(most) if !(most.is_finite() && most > 0.0) => {
                Err(Error::invalid("max_grad_norm", "a positive number", most))
            }
            _ => Ok(()),
        }
    }
}

impl Learner {
    /// The network of `spec` with weights and moments of 0, seen through `twists`.
    ///
    /// # Errors
    /// If the engine does not play it: see [`Network::from_spec`](crate::nn::Network::from_spec).
    pub fn new(spec: &NetSpec, twists: &Twists) -> Result<Self> {
        let network = Trainable::new(spec, twists)?;
        let (adam, gradient) = (Adam::new(network.layout()), network.layout().zeros());
        Ok(Self { network, adam, gradient, chunks: Vec::new() })
    }

    /// The parameters, as [`NetSpec::parameters`] lists them.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.network.layout().parameters()
    }

    /// Number of actions `A`.
    pub fn num_actions(&self) -> usize {
        self.network.num_actions()
    }

    /// Numbers `S` that the network remembers.
    pub fn state_size(&self) -> usize {
        self.network.state_size()
    }

    /// What the outputs stand for.
    pub fn head(&self) -> &HeadSpec {
        self.network.head()
    }

    /// The number of actions, where an action is one of them.
    pub(super) fn require_categorical(&self) -> Result<usize> {
        match self.head() {
            HeadSpec::Categorical => Ok(self.num_actions()),
            other => Err(Error::invalid("network: head", "categorical", format!("{other:?}"))),
        }
    }

    /// Number of pairs of permutations `P`.
    pub fn num_twists(&self) -> usize {
        self.network.num_twists()
    }

    /// Puts in the weights of parameter `index`, row-major as torch has them.
    ///
    /// # Errors
    /// If they are not as many; likewise below.
    pub fn set(&mut self, index: usize, values: &[f32]) -> Result<()> {
        self.network.set(index, values)
    }

    /// Writes the weights of parameter `index` to `values`.
    pub fn get(&self, index: usize, values: &mut [f32]) -> Result<()> {
        self.network.layout().read(index, self.network.weights(), values)
    }

    /// Puts in a moment of parameter `index`.
    pub fn set_moment(&mut self, which: Moment, index: usize, values: &[f32]) -> Result<()> {
        self.network.layout().write(index, values, self.adam.moment_mut(which))
    }

    /// Writes a moment of parameter `index` to `values`.
    pub fn get_moment(&self, which: Moment, index: usize, values: &mut [f32]) -> Result<()> {
        self.network.layout().read(index, self.adam.moment(which), values)
    }

    /// Writes the gradient of the last update, clipped, by parameter `index` to `values`.
    pub fn get_gradient(&self, index: usize, values: &mut [f32]) -> Result<()> {
        self.network.layout().read(index, &self.gradient, values)
    }

    /// Steps that Adam has made.
    pub fn step(&self) -> u64 {
        self.adam.step
    }

    pub fn set_step(&mut self, step: u64) {
        self.adam.step = step;
    }

    /// Copies what an update changes.
    pub(crate) fn saved(&self) -> Saved {
        Saved { weights: self.network.weights().clone(), adam: self.adam.clone() }
    }

    /// Puts back what [`Learner::saved`] gave.
    pub(crate) fn restore(&mut self, saved: Saved) {
        *self.network.weights_mut() = saved.weights;
        self.adam = saved.adam;
    }

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
        samples.check(self.num_actions(), self.num_twists(), self.network.state_size())?;
        let kernels = self.network.kernels();
        let (weights, layers) = self.network.layers();
        layers.for_each(|layer| layer.pack(kernels, weights));
        let epoch_size = descent.epoch_size.min(samples.len());
        let size = descent.minibatch_size.unwrap_or(epoch_size).min(epoch_size);
        let is_whole = size == samples.len();
        let twists = match descent.draw_twists {
            true => self.num_twists() as u32,
            false => 0,
        };
        let mut order = Vec::new();
        let mut minibatch = Minibatch::default();
        let mut losses = Vec::new();
        for epoch in 0..descent.num_epochs {
            let mut rng =
                Rng::stream(mix(descent.seed ^ TRAINING), descent.iteration, epoch as u64);
            // A batch that is taken whole is the same in every epoch.
            let is_new = epoch == 0 || !is_whole || twists > 0;
            if !is_whole {
                shuffled(samples.num_units(), &mut rng, &mut order);
            } else if epoch == 0 {
                order.extend(0..samples.num_units() as u32);
            }
            let units = &order[..epoch_size.min(order.len())];
            let mut sums: Vec<f64> = Vec::new();
            let mut seen = 0;
            let mut within = true;
            for part in parts(units, epoch_size.div_ceil(size).min(units.len())) {
                if is_new {
                    let draw = (twists > 0).then_some((&mut rng, twists));
                    minibatch.take(samples, part, &self.network, draw);
                }
                let found;
                (found, within) = self.update(samples, &minibatch, objective, descent, poll)?;
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

    /// One step of Adam: its losses, and false if it was refused.
    fn update<O: Objective>(
        &mut self,
        samples: &Samples<'_>,
        minibatch: &Minibatch,
        objective: &O,
        descent: &Descent,
        poll: Poll<'_>,
    ) -> Result<(Losses, bool)> {
        let Self { network, adam, gradient, chunks } = self;
        let num_views = minibatch.views.len();
        let work = 6 * num_views * gradient.numbers().len();
        let workers = num_workers(descent.num_cores.min(work / WORK_PER_THREAD));
        let Minibatch { views, courses, .. } = minibatch;
        let seen = Seen { rows: samples.rows, views, courses };
        let loss = MeanOf { objective, minibatch, scale: 1.0 / minibatch.len() as f32 };
        let chunks = network.cut(seen, chunks);
        share(workers, chunks.iter_mut(), poll, |chunk| network.pass(seen, &loss, chunk))?;
        let mut means = vec![0.0; O::NUM_TERMS];
        for chunk in chunks.iter() {
            means.iter_mut().zip(chunk.terms()).for_each(|(sum, term)| *sum += term);
        }
        means.iter_mut().for_each(|sum| *sum /= minibatch.len() as f64);
        let l2 = objective.l2();
        let squares = if l2 > 0.0 { sum_of_squares(network, network.weights()) } else { 0.0 };
        let losses = objective.losses(&means, squares);
        if objective.goes_too_far(&losses) {
            return Ok((losses, false));
        }
        let chunks: &[Chunk] = chunks;
        let mut pieces = network.pieces(gradient);
        share(workers, pieces.iter_mut(), poll, |piece: &mut Piece<'_>| {
            network.fill(chunks, piece);
            Ok(())
        })?;
        network.fill_rest(chunks, gradient);
        if l2 > 0.0 {
            let pairs = gradient.numbers_mut().iter_mut().zip(network.weights().numbers());
            pairs.for_each(|(gradient, weight)| *gradient += 2.0 * l2 * weight);
        }
        if let Some(most) = descent.max_grad_norm {
            let norm = sum_of_squares(network, gradient).sqrt() as f32;
            let scale = most / (norm + 1e-6);
            if scale < 1.0 {
                gradient.numbers_mut().iter_mut().for_each(|number| *number *= scale);
            }
        }
        let kernels = network.kernels();
        let (rates, mut blocks) = adam.step(&descent.adam, network.weights_mut(), gradient);
        // What has begun here is not given up: all weights make the step.
        let on = &mut || Ok(());
        share(workers, blocks.iter_mut(), on, |block| {
            kernels.widely(|| rates.take_step(block));
            Ok(())
        })?;
        let (weights, layers) = network.layers();
        share(workers, layers, on, |layer| {
            layer.pack(kernels, weights);
            Ok(())
        })?;
        Ok((losses, true))
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

/// `order` in `count` parts, the first ones one longer where it does not come out even.
fn parts(order: &[u32], count: usize) -> impl Iterator<Item = &[u32]> {
    let (least, longer) = (order.len() / count, order.len() % count);
    (0..count).map(move |i| {
        let first = i * least + i.min(longer);
        &order[first..first + least + usize::from(i < longer)]
    })
}

/// Calls `work` for every item, by any of the workers.
fn share<T: Send>(
    num_workers: usize,
    mut items: impl Iterator<Item = T> + Send,
    poll: Poll<'_>,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    if num_workers <= 1 {
        poll()?;
        return items.try_for_each(work);
    }
    let items = Mutex::new(items);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    run(num_workers, poll, |_, poll| {
        poll()?;
        std::iter::from_fn(next).try_for_each(&work)
    })
    .map(|_: Vec<()>| ())
}

/// In blocks, so that the sum is the same wherever it is made.
fn sum_of_squares(network: &Trainable, of: &Flat) -> f64 {
    let block = |block: &[f32]| -> f32 { block.iter().map(|number| number * number).sum() };
    let blocks = of.numbers().chunks(NORM_BLOCK);
    let repeated = network.repeated(of).map(|number| f64::from(number).powi(2));
    blocks.map(|numbers| f64::from(block(numbers))).sum::<f64>() - repeated.sum::<f64>()
}
