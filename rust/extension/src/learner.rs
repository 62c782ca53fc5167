//! Training in Rust from Python: arrays in, losses out.

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::detached::detached;
use crate::read;
use twisterl::engine::pool::Poll;
use twisterl::error::{Error, Result};
use twisterl::nn::NetSpec;
use twisterl::spaces::Rows;
use twisterl::train::az::{self, AzTargets};
use twisterl::train::ppo::{self, PpoTargets};
use twisterl::train::walk::{self, WalkTargets};
use twisterl::train::{
    AdamConfig, Descent, Learner, Losses, Moment, Played, Precision, Samples, Sequences,
};

type Floats<'py> = PyReadonlyArrayDyn<'py, f32>;
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

/// What there is of every parameter, besides the moments.
const WEIGHT: &str = "weight";

impl PyLearner {
    /// The number of a parameter, and what is kept of it.
    fn place(&self, name: &str, kind: &str) -> PyResult<(usize, Option<Moment>)> {
        let learner = &self.learner;
        let index = learner.parameters().position(|parameter| parameter.name == name);
        let Some(index) = index else {
            let names: Vec<&str> = learner.parameters().map(|p| p.name.as_str()).collect();
            return Err(Error::invalid("name", format!("one of {}", names.join(", ")), name).into());
        };
        let named = Moment::NAMED.into_iter().find(|(name, _)| *name == kind);
        if named.is_none() && kind != WEIGHT {
            let expected = "weight, exp_avg, exp_avg_sq or max_exp_avg_sq";
            return Err(Error::invalid("kind", expected, kind).into());
        }
        Ok((index, named.map(|(_, moment)| moment)))
    }
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
        let (index, moment) = self.place(name, kind)?;
        let values = values.as_slice()?;
        match moment {
            None => self.learner.set(index, values)?,
            Some(moment) => self.learner.set_moment(moment, index, values)?,
        }
        Ok(())
    }

    /// Writes to `values` float32, of the parameter `name`, what `load` takes as `kind`.
    fn store(&self, name: &str, values: &Bound<'_, PyArrayDyn<f32>>, kind: &str) -> PyResult<()> {
        let (index, moment) = self.place(name, kind)?;
        let mut values = values.try_readwrite()?;
        let values = values.as_slice_mut()?;
        match moment {
            None => self.learner.get(index, values)?,
            Some(moment) => self.learner.get_moment(moment, index, values)?,
        }
        Ok(())
    }

    /// Writes the gradient of the last update by the parameter `name` to `values` float32.
    fn gradient(&self, name: &str, values: &Bound<'_, PyArrayDyn<f32>>) -> PyResult<()> {
        let (index, _) = self.place(name, WEIGHT)?;
        let mut values = values.try_readwrite()?;
        Ok(self.learner.get_gradient(index, values.as_slice_mut()?)?)
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
        let read = Given(samples);
        let log_probs = read.floats("log_probs")?;
        // Numbers are floats, choices are integers.
        let (numbers, choices);
        let actions = if let Ok(found) = read.floats("actions") {
            numbers = found;
            Played::Numbers(numbers.as_slice()?)
        } else {
            choices = read.ints("actions")?;
            Played::Choices(choices.as_slice()?)
        };
        let (advantages, returns) = (read.floats("advantages")?, read.floats("returns")?);
        let targets = PpoTargets {
            actions,
            log_probs: log_probs.as_slice()?,
            advantages: advantages.as_slice()?,
            returns: returns.as_slice()?,
            clip_ratio: read.get("clip_ratio")?,
            vf_coef: read.get("vf_coef")?,
            ent_coef: read.get("ent_coef")?,
            target_kl: read.get("target_kl")?,
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
        let read = Given(samples);
        let (undo, values) = (read.floats("undo")?, read.floats("values")?);
        let weights = read.floats("weights")?;
        let targets = WalkTargets {
            undo: undo.as_slice()?,
            values: values.as_slice()?,
            weights: weights.as_slice()?,
            vf_coef: read.get("vf_coef")?,
        };
        self.train(py, &read, descent, |learner, samples, descent, poll| {
            walk::train(learner, samples, &targets, descent, poll)
        })
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
        let read = Given(samples);
        let (visits, returns) = (read.floats("visits")?, read.floats("returns")?);
        let targets = AzTargets {
            visits: visits.as_slice()?,
            returns: returns.as_slice()?,
            policy_coef: read.get("policy_coef")?,
            vf_coef: read.get("vf_coef")?,
            l2: read.get("l2")?,
        };
        self.train(py, &read, descent, |learner, samples, descent, poll| {
            az::train(learner, samples, &targets, descent, poll)
        })
    }
}

impl PyLearner {
    fn train(
        &mut self,
        py: Python<'_>,
        read: &Given<'_, '_>,
        descent: &Bound<'_, PyDict>,
        work: impl FnOnce(&mut Learner, &Samples<'_>, &Descent, Poll<'_>) -> Result<Losses> + Send,
    ) -> PyResult<Losses> {
        let descent = read_descent(&Given(descent))?;
        let words = read.ints("indices")?.as_slice()?.iter().map(|&word| word as i32).collect();
        let offsets = read.ints("offsets")?.as_slice()?.to_vec();
        let expected = "rising from 0 to len(indices)";
        let rows = Rows::from_parts(words, offsets)
            .ok_or_else(|| Error::invalid("offsets", expected, "others"))?;
        let (twists, row_of) = (read.ints("perms")?, read.ints("rows")?);
        let illegal: Option<PyReadonlyArrayDyn<'_, bool>> = read.get("illegal")?;
        let sequences = read.0.get_item("sequences")?.filter(|given| !given.is_none());
        let sequences = sequences.map(|given| given.cast_into::<PyDict>()).transpose()?;
        let sequences =
            sequences.as_ref().map(|given| read_sequences(&Given(given))).transpose()?;
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
type Steps<'py> = (
    Floats<'py>,
    PyReadonlyArrayDyn<'py, i64>,
    PyReadonlyArrayDyn<'py, i64>,
    PyReadonlyArrayDyn<'py, bool>,
);

fn read_sequences<'py>(read: &Given<'_, 'py>) -> PyResult<Steps<'py>> {
    let (states, lengths) = (read.floats("states")?, read.ints("lengths")?);
    Ok((states, lengths, read.ints("burn_in")?, read.get("has_burn_in")?))
}

fn read_descent(read: &Given<'_, '_>) -> PyResult<Descent> {
    Ok(Descent {
        adam: AdamConfig {
            lr: read.get("lr")?,
            betas: read.get::<(f64, f64)>("betas")?.into(),
            eps: read.get("eps")?,
            weight_decay: read.get("weight_decay")?,
            amsgrad: read.get("amsgrad")?,
        },
        num_epochs: read.get("num_epochs")?,
        epoch_size: read.get("epoch_size")?,
        minibatch_size: read.get("minibatch_size")?,
        max_grad_norm: read.get("max_grad_norm")?,
        draw_twists: read.get("draw_twists")?,
        precision: Precision::of(&read.get::<String>("precision")?)?,
        seed: read.get("seed")?,
        iteration: read.get("iteration")?,
        num_cores: read.get("num_cores")?,
    })
}

/// Values by name, whose errors have the name.
struct Given<'a, 'py>(&'a Bound<'py, PyDict>);

impl<'py> Given<'_, 'py> {
    fn get<T>(&self, name: &str) -> PyResult<T>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        let value = self.0.get_item(name)?.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        value.extract().map_err(|error| {
            let error = Into::<PyErr>::into(error);
            let py = value.py();
            PyErr::from_type(error.get_type(py), format!("{name}: {}", error.value(py)))
        })
    }

    fn floats(&self, name: &str) -> PyResult<Floats<'py>> {
        self.get(name)
    }

    fn ints(&self, name: &str) -> PyResult<PyReadonlyArrayDyn<'py, i64>> {
        self.get(name)
    }
}
