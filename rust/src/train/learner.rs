//! A network in training, and what an update works with.

use super::adam::{Adam, Moment};
use super::descent::TrainPrecision;
use crate::error::{Error, Result};
use crate::nn::{Chunk, Flat, HeadSpec, NetSpec, Parameter, Trainable};
use crate::rl::env::Twists;

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
    pub(super) spec: NetSpec,
    pub(super) network: Trainable,
    pub(super) adam: Adam,
    pub(super) gradient: Flat,
    pub(super) chunks: Vec<Chunk>,
    /// Sums of the squares of blocks of a vector.
    pub(super) squares: Vec<f64>,
}

/// What [`Learner::load`] calls the weights of a parameter.
pub const WEIGHT: &str = "weight";

/// The weights and moments of a [`Learner`], to go back to.
pub(crate) struct Saved {
    weights: Flat,
    adam: Adam,
}

impl Learner {
    /// The network of `spec` with weights and moments of 0, seen through `twists`.
    ///
    /// # Errors
    /// If the engine does not play it: see [`Network::from_spec`](crate::nn::Network::from_spec).
    pub fn new(spec: &NetSpec, twists: &Twists) -> Result<Self> {
        let network = Trainable::new(spec, twists)?;
        let (adam, gradient) = (Adam::new(network.layout()), network.layout().zeros());
        Ok(Self {
            spec: spec.clone(),
            network,
            adam,
            gradient,
            chunks: Vec::new(),
            squares: Vec::new(),
        })
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

    /// Puts in, of the parameter `name`, its weights or a moment: `kind` is [`WEIGHT`] or one of [`Moment::NAMED`].
    ///
    /// # Errors
    /// If there is no such parameter or kind, or the values are not as many; likewise below.
    pub fn load(&mut self, name: &str, kind: &str, values: &[f32]) -> Result<()> {
        match self.place(name, kind)? {
            (index, None) => self.set(index, values),
            (index, Some(moment)) => self.set_moment(moment, index, values),
        }
    }

    /// Writes to `values` what [`Learner::load`] puts in.
    pub fn store(&self, name: &str, kind: &str, values: &mut [f32]) -> Result<()> {
        match self.place(name, kind)? {
            (index, None) => self.get(index, values),
            (index, Some(moment)) => self.get_moment(moment, index, values),
        }
    }

    /// The number of a parameter, and what is kept of it besides its weights.
    fn place(&self, name: &str, kind: &str) -> Result<(usize, Option<Moment>)> {
        let moment = Moment::NAMED.into_iter().find(|(known, _)| *known == kind);
        if moment.is_none() && kind != WEIGHT {
            let [first, second, largest] = Moment::NAMED.map(|(known, _)| known);
            let expected = format!("{WEIGHT}, {first}, {second} or {largest}");
            return Err(Error::invalid("kind", expected, kind));
        }
        Ok((self.index(name)?, moment.map(|(_, moment)| moment)))
    }

    /// The number of the parameter `name`.
    pub fn index(&self, name: &str) -> Result<usize> {
        self.parameters().position(|parameter| parameter.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.parameters().map(|known| known.name.as_str()).collect();
            Error::invalid("name", format!("one of {}", names.join(", ")), name)
        })
    }

    /// Multiplies in numbers of `precision` from the next descent on.
    ///
    /// # Errors
    /// If no layer of the network can.
    pub(crate) fn set_precision(&mut self, precision: TrainPrecision) -> Result<()> {
        self.network.multiply_in_bf16(precision == TrainPrecision::Bf16)
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
}
