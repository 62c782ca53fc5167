//! The minibatches of a descent, one after another: drawn anew in every epoch.

use super::batch::{Minibatch, Samples};
use super::descent::Descent;
use crate::nn::Trainable;
use crate::rng::{mix, Rng};

/// Tells the streams of training from those of collecting.
const TRAINING: u64 = 0x7A11_1246_0000_0001;

/// The minibatch that comes next, made while the one before is trained on.
pub(super) struct Draws<'a> {
    samples: &'a Samples<'a>,
    descent: &'a Descent,
    /// Twists that are drawn from; 0: samples keep theirs.
    num_twists: u32,
    /// Samples of an epoch.
    epoch_size: usize,
    /// Updates of an epoch.
    num_parts: usize,
    /// Whether an epoch is all samples in one minibatch.
    is_whole: bool,
    /// Of the next minibatch.
    epoch: usize,
    part: usize,
    rng: Rng,
    order: Vec<u32>,
    next: Minibatch,
    /// Whether `next` is another one than that before.
    is_new: bool,
}

impl<'a> Draws<'a> {
    /// Of checked samples; makes the first one.
    pub(super) fn new(samples: &'a Samples<'a>, descent: &'a Descent, network: &Trainable) -> Self {
        let epoch_size = descent.epoch_size.min(samples.len());
        let size = descent.minibatch_size.unwrap_or(epoch_size).min(epoch_size);
        let num_units = epoch_size.min(samples.num_units());
        let mut draws = Self {
            samples,
            descent,
            num_twists: if descent.draw_twists { network.num_twists() as u32 } else { 0 },
            epoch_size,
            num_parts: epoch_size.div_ceil(size).min(num_units),
            is_whole: size == samples.len(),
            epoch: 0,
            part: 0,
            rng: Rng::new(0),
            order: Vec::new(),
            next: Minibatch::default(),
            is_new: false,
        };
        draws.make(network);
        draws
    }

    /// Updates of an epoch.
    pub(super) fn num_parts(&self) -> usize {
        self.num_parts
    }

    /// Observations that a minibatch has at most, where twists make no more of them.
    pub(super) fn most_rows(&self) -> usize {
        self.epoch_size.div_ceil(self.num_parts).min(self.samples.rows.len())
    }

    /// Puts the next minibatch in place of the one before.
    pub(super) fn take(&mut self, minibatch: &mut Minibatch) {
        if std::mem::take(&mut self.is_new) {
            std::mem::swap(minibatch, &mut self.next);
        }
    }

    /// Makes the next minibatch, if there is one and it is another.
    pub(super) fn make(&mut self, network: &Trainable) {
        // A batch that is taken whole is the same in every epoch.
        let is_same = self.is_whole && self.num_twists == 0 && self.epoch > 0;
        if is_same || self.epoch == self.descent.num_epochs {
            return;
        }
        if self.part == 0 {
            self.begin_epoch();
        }
        let units = &self.order[..self.epoch_size.min(self.order.len())];
        let part = part(units, self.part, self.num_parts);
        let draw = (self.num_twists > 0).then_some((&mut self.rng, self.num_twists));
        self.next.take(self.samples, part, network, draw);
        self.is_new = true;
        self.part = (self.part + 1) % self.num_parts;
        self.epoch += usize::from(self.part == 0);
    }

    fn begin_epoch(&mut self) {
        let Descent { seed, iteration, .. } = *self.descent;
        self.rng = Rng::stream(mix(seed ^ TRAINING), iteration, self.epoch as u64);
        let count = self.samples.num_units();
        self.order.clear();
        self.order.extend(0..count as u32);
        if !self.is_whole {
            shuffle(&mut self.order, &mut self.rng);
        }
    }
}

/// Part `index` of `count` of `order`, the first ones one longer where it does not come out even.
fn part(order: &[u32], index: usize, count: usize) -> &[u32] {
    let (least, longer) = (order.len() / count, order.len() % count);
    let first = index * least + index.min(longer);
    &order[first..first + least + usize::from(index < longer)]
}

/// Fisher, Yates.
fn shuffle(order: &mut [u32], rng: &mut Rng) {
    for last in (1..order.len()).rev() {
        order.swap(last, rng.below(last as u32 + 1) as usize);
    }
}
