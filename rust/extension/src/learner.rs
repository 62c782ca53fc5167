//! Training in Rust from Python: arrays in, losses out.

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::detached::detached;
use crate::keywords::Given;
use crate::read;
use twisterl::engine::pool::Poll;
use twisterl::error::{Error, Result};
use twisterl::nn::NetSpec;
use twisterl::spaces::Rows;
use twisterl::train::az::{self, AzTargets};
use twisterl::train::ppo::{self, PpoTargets};
use twisterl::train::walk::{self, WalkTargets};
use twisterl::train::{
    parity, Actions, Descent, Learner, Losses, Moment, Samples, Sequences, WEIGHT,
};

type Floats<'py> = PyReadonlyArrayDyn<'py, f32>;
type Ints<'py> = PyReadonlyArrayDyn<'py, i64>;
type Perms = Vec<Vec<usize>>;
/// A description, and its twists.
type Made = (String, Perms, Perms);
/// Steps of Adam; name, values and kind of all there is.
type State<'py> = (u64, Vec<(String, Bound<'py, PyArrayDyn<f32>>, String)>);

/// A network in training: its weights and what Adam keeps of them.
///
/// `spec` is a description in JSON, see `twisterl.nn.spec`; `obs_perms` and `act_perms` are its twists.
/// Weights and moments are 0 until `load` puts others in. Equal ones, samples, seed and iteration
/// give the same bytes for any number of threads.
///
/// Raises ValueError if the engine does not play it.
#[pyclass(name = "Learner", module = "twisterl.twisterl.nn")]
pub struct PyLearner {
    learner: Learner,
    made_of: Made,
}

#[pymethods]
impl PyLearner {
    #[new]
    #[pyo3(signature = (spec, obs_perms, act_perms))]
    fn new(
        spec: String,
        #[pyo3(from_py_with = read::obs_perms)] obs_perms: Perms,
        #[pyo3(from_py_with = read::act_perms)] act_perms: Perms,
    ) -> PyResult<Self> {
        let twists = (obs_perms, act_perms);
        let learner = Learner::new(&NetSpec::parse(&spec)?, &twists)?;
        Ok(Self { learner, made_of: (spec, twists.0, twists.1) })
    }

    /// What makes the learner again, its weights and moments.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Made, State<'py>)> {
        let (py, this) = (slf.py(), slf.borrow());
        let mut arrays = Vec::new();
        for parameter in this.learner.parameters() {
            for kind in [WEIGHT].into_iter().chain(Moment::NAMED.map(|(name, _)| name)) {
                let values = PyArrayDyn::zeros(py, parameter.shape.as_slice(), false);
                this.store(&parameter.name, &values, kind)?;
                arrays.push((parameter.name.clone(), values, kind.to_owned()));
            }
        }
        Ok((slf.get_type().into_any(), this.made_of.clone(), (this.learner.step(), arrays)))
    }

    fn __setstate__(&mut self, state: State<'_>) -> PyResult<()> {
        let (step, arrays) = state;
        self.learner.set_step(step);
        arrays
            .iter()
            .try_for_each(|(name, values, kind)| self.load(name, values.try_readonly()?, kind))
    }

    /// Names of the parameters in their order.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.learner.parameters().map(|parameter| parameter.name.clone()).collect()
    }

    /// Steps that Adam has made.
    #[getter]
    fn step(&self) -> u64 {
        self.learner.step()
    }

    #[setter]
    fn set_step(&mut self, step: u64) {
        self.learner.set_step(step);
    }

    /// Puts in `values` float32, of the parameter `name`: `kind` is "weight", or a moment under its
    /// name in torch, "exp_avg", "exp_avg_sq" or "max_exp_avg_sq".
    fn load(&mut self, name: &str, values: Floats<'_>, kind: &str) -> PyResult<()> {
        Ok(self.learner.load(name, kind, values.as_slice()?)?)
    }

    /// Writes to `values` float32, of the parameter `name`, what `load` takes as `kind`.
    fn store(&self, name: &str, values: &Bound<'_, PyArrayDyn<f32>>, kind: &str) -> PyResult<()> {
        Ok(self.learner.store(name, kind, values.try_readwrite()?.as_slice_mut()?)?)
    }

    /// Writes the gradient of the last update by the parameter `name` to `values` float32.
    fn gradient(&self, name: &str, values: &Bound<'_, PyArrayDyn<f32>>) -> PyResult<()> {
        let index = self.learner.index(name)?;
        Ok(self.learner.get_gradient(index, values.try_readwrite()?.as_slice_mut()?)?)
    }

    /// Trains on PPO's samples: `[value, policy, entropy, total, kl, clip_fraction]`, means over the
    /// last epoch.
    ///
    /// `samples` has the arrays of a `twisterl.rl.ppo.PPOBatch` and the coefficients `clip_ratio`,
    /// `vf_coef`, `ent_coef` and `target_kl`; `descent` has `lr`, `betas`, `eps`, `weight_decay`,
    /// `amsgrad`, `num_epochs`, `epoch_size`, `minibatch_size`, `max_grad_norm`, `draw_twists`,
    /// `precision` (of linear layers' products: "f32" or "bf16"), `seed`, `iteration` and `num_cores`. `sequences` are None, or a dict of the arrays of a
    /// `twisterl.rl.sequences.Sequences` for a network that remembers.
    ///
    /// Raises ValueError for what does not fit.
    fn ppo(
        &mut self,
        py: Python<'_>,
        samples: &Bound<'_, PyDict>,
        descent: &Bound<'_, PyDict>,
    ) -> PyResult<Losses> {
        let read = Given::of(samples)?;
        let log_probs = read.extract::<Floats<'_>>("log_probs")?;
        // Numbers are floats, choices are integers.
        let (numbers, choices);
        let actions = if let Ok(found) = read.extract::<Floats<'_>>("actions") {
            numbers = found;
            Actions::Numbers(numbers.as_slice()?)
        } else {
            choices = read.extract::<Ints<'_>>("actions")?;
            Actions::Choices(choices.as_slice()?)
        };
        let (advantages, returns) =
            (read.extract::<Floats<'_>>("advantages")?, read.extract::<Floats<'_>>("returns")?);
        let targets = PpoTargets {
            actions,
            log_probs: log_probs.as_slice()?,
            advantages: advantages.as_slice()?,
            returns: returns.as_slice()?,
            clip_ratio: read.extract("clip_ratio")?,
            vf_coef: read.extract("vf_coef")?,
            ent_coef: read.extract("ent_coef")?,
            target_kl: read.extract("target_kl")?,
        };
        self.train(py, &read, descent, |learner, samples, descent, poll| {
            ppo::train(learner, samples, &targets, descent, poll)
        })
    }

    /// Trains on the states of random walks: `[policy, value, total]`. `samples` has the arrays of a
    /// `twisterl.rl.random_walk.WalkBatch` and `vf_coef`; `descent` is as in `ppo`.
    fn walk(
        &mut self,
        py: Python<'_>,
        samples: &Bound<'_, PyDict>,
        descent: &Bound<'_, PyDict>,
    ) -> PyResult<Losses> {
        self.by_walks(py, samples, descent, walk::train)
    }

    /// As `walk`, by solving for parities: of `descent` nothing is read but that it is one, and `samples` are as
    /// there.
    ///
    /// Raises ValueError too where the walks or the network are not for that.
    fn parity(
        &mut self,
        py: Python<'_>,
        samples: &Bound<'_, PyDict>,
        descent: &Bound<'_, PyDict>,
    ) -> PyResult<Losses> {
        self.by_walks(py, samples, descent, |learner, samples, targets, _, poll| {
            parity::fit(learner, samples, targets, poll)
        })
    }

    /// Raises ValueError for a network that `parity` cannot set.
    fn require_parity(&self) -> PyResult<()> {
        parity::require_layer(&self.learner)?;
        Ok(())
    }

    /// Trains on AlphaZero's samples: `[value, policy, l2, total]`. `samples` has the arrays of a
    /// `twisterl.rl.az.AZBatch` and the coefficients `policy_coef`, `vf_coef` and `l2`; `descent` is as in
    /// `ppo`.
    fn az(
        &mut self,
        py: Python<'_>,
        samples: &Bound<'_, PyDict>,
        descent: &Bound<'_, PyDict>,
    ) -> PyResult<Losses> {
        let read = Given::of(samples)?;
        let (visits, returns) =
            (read.extract::<Floats<'_>>("visits")?, read.extract::<Floats<'_>>("returns")?);
        let targets = AzTargets {
            visits: visits.as_slice()?,
            returns: returns.as_slice()?,
            policy_coef: read.extract("policy_coef")?,
            vf_coef: read.extract("vf_coef")?,
            l2: read.extract("l2")?,
        };
        self.train(py, &read, descent, |learner, samples, descent, poll| {
            az::train(learner, samples, &targets, descent, poll)
        })
    }
}

impl PyLearner {
    fn by_walks(
        &mut self,
        py: Python<'_>,
        samples: &Bound<'_, PyDict>,
        descent: &Bound<'_, PyDict>,
        work: impl FnOnce(
                &mut Learner,
                &Samples<'_>,
                &WalkTargets<'_>,
                &Descent,
                Poll<'_>,
            ) -> Result<Losses>
            + Send,
    ) -> PyResult<Losses> {
        let read = Given::of(samples)?;
        let (undo, values) =
            (read.extract::<Floats<'_>>("undo")?, read.extract::<Floats<'_>>("values")?);
        let weights = read.extract::<Floats<'_>>("weights")?;
        let targets = WalkTargets {
            undo: undo.as_slice()?,
            values: values.as_slice()?,
            weights: weights.as_slice()?,
            vf_coef: read.extract("vf_coef")?,
        };
        self.train(py, &read, descent, |learner, samples, descent, poll| {
            work(learner, samples, &targets, descent, poll)
        })
    }

    fn train(
        &mut self,
        py: Python<'_>,
        read: &Given<'_>,
        descent: &Bound<'_, PyDict>,
        work: impl FnOnce(&mut Learner, &Samples<'_>, &Descent, Poll<'_>) -> Result<Losses> + Send,
    ) -> PyResult<Losses> {
        let descent: Descent = Given::of(descent)?.rest()?;
        let words = read
            .extract::<Ints<'_>>("indices")?
            .as_slice()?
            .iter()
            .map(|&word| word as i32)
            .collect();
        let offsets = read.extract::<Ints<'_>>("offsets")?.as_slice()?.to_vec();
        let expected = "rising from 0 to len(indices)";
        let rows = Rows::from_parts(words, offsets)
            .ok_or_else(|| Error::invalid("offsets", expected, "others"))?;
        let (twists, row_of) =
            (read.extract::<Ints<'_>>("perms")?, read.extract::<Ints<'_>>("rows")?);
        let illegal: Option<PyReadonlyArrayDyn<'_, bool>> = read.extract("illegal")?;
        let sequences = read.take("sequences")?.filter(|given| !given.is_none());
        let sequences = sequences
            .map(|given| read_sequences(&Given::of(given.cast::<PyDict>()?)?))
            .transpose()?;
        let sequences = sequences.as_ref().map(|(states, lengths, burn_in, has_burn_in)| {
            Ok::<_, PyErr>(Sequences {
                states: states.as_slice()?,
                lengths: lengths.as_slice()?,
                burn_in: burn_in.as_slice()?,
                has_burn_in: has_burn_in.as_slice()?,
            })
        });
        let samples = Samples {
            sequences: sequences.transpose()?,
            rows: &rows,
            twists: twists.as_slice()?,
            row_of: row_of.as_slice()?,
            illegal: illegal.as_ref().map(|illegal| illegal.as_slice()).transpose()?,
        };
        let learner = &mut self.learner;
        detached(py, |poll| work(learner, &samples, &descent, poll))
    }
}

/// The arrays of [`Sequences`].
type Steps<'py> = (Floats<'py>, Ints<'py>, Ints<'py>, PyReadonlyArrayDyn<'py, bool>);

fn read_sequences<'py>(read: &Given<'py>) -> PyResult<Steps<'py>> {
    let (states, lengths) = (read.extract("states")?, read.extract("lengths")?);
    Ok((states, lengths, read.extract("burn_in")?, read.extract("has_burn_in")?))
}
