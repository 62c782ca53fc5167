//! The policy network from Python: numpy arrays are read in place, outputs are moved out.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use numpy::{
    IntoPyArray, PyArray, PyArray1, PyArray2, PyArrayLike1, PyArrayLike2, PyArrayMethods,
    PyReadonlyArrayDyn, PyUntypedArrayMethods, TypeMustMatch,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::IntoPyObjectExt;

use crate::read::{self, Argument};
use crate::torch_policy::{Callback, BLOCK};
use twisterl::error::{Error, Result};
use twisterl::nn::{
    masked_softmax, mean_outputs, outputs, CalledPolicy, CpuLevel, EmbeddingBag, First, Head,
    Linear, NetSpec, Network, NetworkParts, Parameter, PlayPrecision, Policy, Scratch, Sequential,
};
use twisterl::python_interface::error::wrong_type;
use twisterl::python_interface::{dense, dict, pickle};
use twisterl::rl::checked::CheckedSpec;
use twisterl::rl::spec::EnvSpec;
use twisterl::spaces::{ActSpace, Dtype, ObsSpace, Rows};

type Floats1<'py> = PyArrayLike1<'py, f32, numpy::AllowTypeChange>;
type Floats2<'py> = PyArrayLike2<'py, f32, numpy::AllowTypeChange>;
type Perms = Vec<Vec<usize>>;
/// Logits `[N, A]` and values `[N]`.
type Outputs<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>);

/// A dense layer: `y = x W + b`, then `max(y, 0)` with `apply_relu`.
///
/// `weights_vector` float32 `[in * out]` is `W [in, out]` row by row, torch's `weight.T.flatten()`;
/// `bias_vector` float32 `[out]`. Raises ValueError if they do not fit or are not finite.
#[pyclass(name = "Linear", module = "twisterl.twisterl.nn", frozen)]
pub struct PyLinear {
    inner: Linear,
}

#[pymethods]
impl PyLinear {
    #[new]
    fn new(
        weights_vector: Floats1<'_>,
        bias_vector: Floats1<'_>,
        apply_relu: bool,
    ) -> PyResult<Self> {
        let weights = weights_vector.as_array().to_vec();
        let inner = Linear::new(weights, bias_vector.as_array().to_vec(), apply_relu)?;
        Ok(Self { inner })
    }

    /// What makes the layer again.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<pickle::Made<'py, impl IntoPyObject<'py>>> {
        let (py, layer) = (slf.py(), &slf.get().inner);
        let weights = PyArray1::from_slice(py, layer.weights());
        let bias = PyArray1::from_slice(py, layer.bias());
        Ok((slf.get_type(), (weights, bias, layer.applies_relu())))
    }
}

/// The first layer: the bias and the sum of the vectors of the active features, then `max(y, 0)`
/// with `apply_relu`.
///
/// `vec_vectors` float32 `[R, dim]`. An `obs_shape` of one number is `[R]`, and `bias_vector` float32
/// `[dim]`. Of two numbers it makes a 1-d convolution of width 1, whose channels are axis `conv_dim`
/// (0 or 1) of length `R`, and `bias_vector` is `[P * dim]` for the `P` places of the other axis.
/// Raises ValueError if they do not fit or are not finite.
#[pyclass(name = "EmbeddingBag", module = "twisterl.twisterl.nn", frozen)]
pub struct PyEmbeddingBag {
    inner: EmbeddingBag,
}

#[pymethods]
impl PyEmbeddingBag {
    #[new]
    fn new(
        vec_vectors: Floats2<'_>,
        bias_vector: Floats1<'_>,
        apply_relu: bool,
        #[pyo3(from_py_with = read::obs_shape)] obs_shape: Vec<usize>,
        #[pyo3(from_py_with = read::conv_dim)] conv_dim: u64,
    ) -> PyResult<Self> {
        let vectors = vec_vectors.as_array();
        let inner = EmbeddingBag::new(
            vectors.iter().copied().collect(),
            vectors.ncols(),
            bias_vector.as_array().to_vec(),
            apply_relu,
            obs_shape,
            conv_dim as usize,
        )?;
        Ok(Self { inner })
    }

    /// What makes the layer again.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<pickle::Made<'py, impl IntoPyObject<'py>>> {
        let (py, layer) = (slf.py(), &slf.get().inner);
        let vectors = PyArray1::from_slice(py, layer.vectors());
        let vectors = vectors.reshape([layer.vectors().len() / layer.dim(), layer.dim()])?;
        let bias = PyArray1::from_slice(py, layer.bias());
        let (shape, conv_dim) = (layer.obs_shape().to_vec(), layer.conv_dim());
        Ok((slf.get_type(), (vectors, bias, layer.applies_relu(), shape, conv_dim)))
    }
}

/// Dense `layers` one after another; without any the output is the input.
///
/// Raises ValueError if the outputs of one are not as many as the inputs of the next.
#[pyclass(name = "Sequential", module = "twisterl.twisterl.nn", frozen)]
pub struct PySequential {
    inner: Sequential,
}

#[pymethods]
impl PySequential {
    #[new]
    fn new(layers: Vec<Py<PyLinear>>) -> PyResult<Self> {
        let layers = layers.iter().map(|layer| layer.get().inner.clone()).collect();
        Ok(Self { inner: Sequential::new(layers)? })
    }

    /// What makes the layers again.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<pickle::Made<'py, impl IntoPyObject<'py>>> {
        let layer = |layer: &Linear| Py::new(slf.py(), PyLinear { inner: layer.clone() });
        let layers = slf.get().inner.layers().iter().map(layer).collect::<PyResult<Vec<_>>>()?;
        Ok((slf.get_type(), (layers,)))
    }
}

/// The first layer of a policy: for sparse observations, or for dense ones of a dtype.
#[derive(FromPyObject, IntoPyObjectRef)]
enum PyFirst {
    Sparse(Py<PyEmbeddingBag>),
    Dense(String, Py<PyLinear>),
}

impl PyFirst {
    fn first(&self) -> Result<First> {
        match self {
            Self::Sparse(bags) => Ok(First::Sparse(bags.get().inner.clone())),
            Self::Dense(name, layer) => {
                let dtype = Dtype::of(name).ok_or_else(|| {
                    Error::invalid("embeddings", "\"float32\" or \"uint8\"", format!("{name:?}"))
                })?;
                Ok(First::Dense(dtype, layer.get().inner.clone()))
            }
        }
    }
}

/// Logits `[N, A]`, values `[N]` and states `[N, S]`.
type Stepped<'py> =
    (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>, Bound<'py, PyArray2<f32>>);

/// The policy network; it does not change, so threads may share it.
///
/// `embeddings` reads observations: an EmbeddingBag, or, where they are dense, a pair of their dtype
/// and a Linear. Its outputs through `common` go to `action_net`, whose outputs are the logits `[A]`,
/// and to `value_net`, whose one output is the value. `obs_perms` `[P, F]` and `act_perms` `[P, A]`
/// are permutations through which it may see a state. `head`, a JSON text, says what the logits stand
/// for where actions are not discrete. Raises ValueError, naming the layer, if they
/// do not fit each other.
#[pyclass(name = "Policy", module = "twisterl.twisterl.nn", frozen)]
pub struct PyPolicy {
    pub(crate) policy: Arc<dyn Policy>,
    /// What plays many episodes: to the same bits, whichever of them are played together.
    pub(crate) of_many: Arc<dyn Policy>,
    /// The network of a composition.
    composed: Option<Network>,
    made: Made,
}

/// The method that makes a policy again, the class itself if it has no name, and its arguments.
type Made = (Option<&'static str>, Py<PyTuple>);

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
    /// Dense observations of the call before.
    static ROWS: Cell<Rows> = Cell::default();
}

/// The head of a description in JSON, categorical where there is none.
fn parsed(head: Option<&str>) -> Result<Head> {
    head.map_or(Ok(Head::Categorical), Head::parse)
}

/// Runs `work` with the memory of the call before: what is new costs more than a small network.
fn in_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    // A policy of torch may ask another one, which gets its own.
    let mut scratch = SCRATCH.take();
    let made = work(&mut scratch);
    SCRATCH.set(scratch);
    made
}

impl PyPolicy {
    fn of(policy: Arc<dyn Policy>, composed: Option<Network>, made: Made) -> Self {
        Self { of_many: policy.clone(), policy, composed, made }
    }

    /// The words of one observation.
    fn words(&self, obs: &Bound<'_, PyAny>) -> PyResult<Vec<i32>> {
        let (mut words, source) = (Vec::new(), || "obs".to_owned());
        match (self.policy.obs_parts(), Dtype::of(self.policy.obs_dtype())) {
            (Some(parts), _) => dict::read(&source, parts, obs, &mut words)?,
            (None, None) => {
                let is_other = |raised: &PyErr| raised.is_instance_of::<PyTypeError>(obs.py());
                words = read::obs(obs).map_err(|raised| match is_other(&raised) {
                    true => wrong_type("obs", "a sequence of integers", obs),
                    false => raised,
                })?;
            }
            (None, Some(dtype)) => {
                let space = (dtype, &[self.policy.num_features()][..]);
                let flat = obs.py().import("numpy")?.call_method1("ravel", (obs,))?;
                dense::read(&source, space, &flat, &mut words)?;
            }
        }
        Ok(words)
    }

    /// Raw logits `[A]` and value of one observation, seen through a twist that is drawn.
    fn outputs(&self, obs: &Bound<'_, PyAny>) -> PyResult<(Vec<f32>, f32)> {
        let (twist, words) = (self.draw_twist(obs.py())?, self.words(obs)?);
        Ok(in_scratch(|scratch| outputs(&*self.policy, &words, twist, scratch))?)
    }

    /// A batch as Python gives it, see `forward_batch`.
    fn rows<'py>(
        &self,
        indices: &Bound<'py, PyAny>,
        offsets: Option<PyArrayLike1<'py, i64, TypeMustMatch>>,
    ) -> PyResult<Rows> {
        let wrong = |expected: &str, got: &Bound<'_, PyAny>| wrong_type("offsets", expected, got);
        if let (Some(parts), None) = (self.policy.obs_parts(), &offsets) {
            let mut rows = Rows::default();
            dict::read_rows(&|| "indices".to_owned(), parts, indices, &mut rows)?;
            return Ok(rows);
        }
        match (Dtype::of(self.policy.obs_dtype()), offsets) {
            (Some(dtype), None) => {
                let (mut rows, space) = (ROWS.take(), (dtype, self.policy.num_features()));
                rows.clear();
                dense::read_rows(&|| "indices".to_owned(), space, indices, &mut rows)?;
                Ok(rows)
            }
            (None, Some(offsets)) => {
                let indices: PyArrayLike1<'py, i32, TypeMustMatch> = indices.extract()?;
                let parts = (indices.as_array().to_vec(), offsets.as_array().to_vec());
                Rows::from_parts(parts.0, parts.1).ok_or_else(|| {
                    let expected = "int64 that starts at 0, rises and ends at len(indices)";
                    wrong(expected, offsets.as_any())
                })
            }
            (Some(_), Some(offsets)) => {
                Err(wrong("None, since observations are dense", offsets.as_any()))
            }
            (None, None) => Err(wrong("int64 [N + 1]", indices.py().None().bind(indices.py()))),
        }
    }

    /// One permutation drawn by Python's `random`, -1 if there is none.
    fn draw_twist(&self, py: Python<'_>) -> PyResult<i32> {
        match self.policy.num_twists() {
            0 => Ok(-1),
            count => py.import("random")?.call_method1("randrange", (count,))?.extract(),
        }
    }

    fn check_mask(&self, masks: &[bool]) -> PyResult<()> {
        if *self.policy.head() != Head::Categorical {
            let expected = "one of discrete actions";
            return Err(Error::invalid("policy", expected, self.policy.head()).into());
        }
        let expected = self.policy.num_actions();
        if masks.len() == expected {
            return Ok(());
        }
        Err(Error::invalid("masks", format!("{expected} entries"), masks.len()).into())
    }

    fn probabilities(&self, logits: &[f32], masks: &[bool]) -> PyResult<Vec<f32>> {
        let mut probs = vec![0.0; logits.len()];
        masked_softmax(logits, masks, &mut probs)?;
        Ok(probs)
    }
}

#[pymethods]
impl PyPolicy {
    #[new]
    #[pyo3(signature = (embeddings, common, action_net, value_net, obs_perms, act_perms, head=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        embeddings: PyFirst,
        common: Py<PySequential>,
        action_net: Py<PySequential>,
        value_net: Py<PySequential>,
        #[pyo3(from_py_with = read::obs_perms)] obs_perms: Perms,
        #[pyo3(from_py_with = read::act_perms)] act_perms: Perms,
        head: Option<&str>,
    ) -> PyResult<Self> {
        let made = (&embeddings, &common, &action_net, &value_net, &obs_perms, &act_perms, head);
        let made = (None, made.into_pyobject(py)?.unbind());
        let [common, action_net, value_net] =
            [common, action_net, value_net].map(|layers| layers.get().inner.clone());
        let (first, head) = (embeddings.first()?, parsed(head)?);
        let parts =
            NetworkParts { first, common, action_net, value_net, head, obs_perms, act_perms };
        let policy = Network::for_cpu(&parts, CpuLevel::detect())?;
        Ok(Self::of(Arc::new(policy), None, made))
    }

    /// What makes the policy again.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Py<PyTuple>)> {
        let (class, (method, arguments)) = (slf.get_type(), &slf.get().made);
        let made = method.map_or_else(|| Ok(class.clone().into_any()), |name| class.getattr(name));
        Ok((made?, arguments.clone_ref(slf.py())))
    }

    /// A policy that Python evaluates, once a batch: slower than the engine's own, and for any network.
    ///
    /// `evaluate` is called with observations float32 [N, ..] of `obs_shape` (0 and 1 where `obs_dtype` is
    /// "sparse", the default, shares of 255 where it is "uint8"; where it is the dictionary of several parts,
    /// as of an environment's `obs_space()`, their numbers one after another) and returns float32 arrays: logits [N, A], A being
    /// `num_actions`, and values [N] or [N, 1]. Of equal observations it must say the same while the
    /// policy lives, whichever are in a batch; threads call it in turn.
    ///
    /// Where `initial_state` float32 [S] is given, the policy has a memory of `S` numbers, which an episode
    /// begins with: `evaluate` also takes them, [N, S], and returns, third, those after the observations.
    /// Where actions are no single choice, `head` says in JSON what the outputs stand for.
    /// Raises ValueError for another `obs_dtype` or `head`, TypeError for another `initial_state`.
    #[staticmethod]
    #[pyo3(signature = (
        evaluate, obs_shape, num_actions, obs_dtype=None, initial_state=None, head=None
    ))]
    fn from_torch(
        py: Python<'_>,
        evaluate: Py<PyAny>,
        #[pyo3(from_py_with = read::obs_shape)] obs_shape: Vec<usize>,
        #[pyo3(from_py_with = read::num_actions)] num_actions: usize,
        obs_dtype: Option<&Bound<'_, PyAny>>,
        initial_state: Option<&Bound<'_, PyAny>>,
        head: Option<&str>,
    ) -> PyResult<Self> {
        let initial_state = match initial_state {
            None => Vec::new(),
            Some(given) => Argument::read("initial_state", given)?,
        };
        let space = match obs_dtype {
            None => ObsSpace::Sparse { shape: obs_shape },
            Some(given) => match given.extract::<String>() {
                Err(_) => dict::space("obs_dtype", given)?,
                Ok(dtype) => ObsSpace::of(obs_shape, &dtype).ok_or_else(|| {
                    let expected = format!("one of {}", ObsSpace::DTYPES.join(", "));
                    Error::invalid("obs_dtype", expected, format!("{dtype:?}"))
                })?,
            },
        };
        // The bounds are those of an environment.
        let acts = ActSpace::Discrete { n: num_actions };
        let obs = CheckedSpec::new(EnvSpec::new("the policy".into(), space, acts))?.spec.obs;
        let dtype = match &obs {
            ObsSpace::Dict(_) => dict::description(py, &obs)?.into_any(),
            _ => obs.dtype().into_bound_py_any(py)?,
        };
        let state = PyArray1::from_slice(py, &initial_state);
        let made = (evaluate.clone_ref(py), obs.shape(), num_actions, dtype, state, head);
        let made = (Some("from_torch"), made.into_pyobject(py)?.unbind());
        let (shape, state_size) = (obs.shape().to_vec(), initial_state.len());
        let evaluate = Arc::new(Callback { evaluate, shape, num_actions, state_size });
        let policy = CalledPolicy::new(evaluate, obs, num_actions, initial_state, parsed(head)?)?;
        let of_many = Arc::new(policy.in_blocks(BLOCK));
        Ok(Self { of_many, ..Self::of(Arc::new(policy), None, made) })
    }

    /// The policy that `spec`, a JSON text, describes, with the float32 arrays `tensors` by name and
    /// the permutations `obs_perms` `[P, F]` and `act_perms` `[P, A]`.
    ///
    /// Raises ValueError for a description that is none, and for a tensor that is missing, of
    /// another shape or not finite.
    #[staticmethod]
    fn from_spec(
        py: Python<'_>,
        spec: &str,
        tensors: HashMap<String, PyReadonlyArrayDyn<'_, f32>>,
        #[pyo3(from_py_with = read::obs_perms)] obs_perms: Perms,
        #[pyo3(from_py_with = read::act_perms)] act_perms: Perms,
    ) -> PyResult<Self> {
        let get = |name: &str| {
            let tensor = tensors.get(name)?.as_array();
            let values = tensor
                .to_slice()
                .map_or_else(|| Cow::Owned(tensor.iter().copied().collect()), Cow::Borrowed);
            Some((tensor.shape().to_vec(), values))
        };
        let described = NetSpec::parse(spec)?;
        let kept = PyDict::new(py);
        for Parameter { name, .. } in described.parameters() {
            if let Some(tensor) = tensors.get(&name) {
                kept.set_item(name, PyArray::from_array(py, &tensor.as_array()))?;
            }
        }
        let made = (spec, kept, &obs_perms, &act_perms).into_pyobject(py)?.unbind();
        let network = Network::from_spec(&described, get, obs_perms, act_perms)?;
        let composed = (!described.is_stack()).then(|| network.clone());
        Ok(Self::of(Arc::new(network), composed, (Some("from_spec"), made)))
    }

    /// What each block of a composed network gives for observations: the place of the block in its
    /// description and float32 `[N, width]`. A ReLU behind a linear block is one with it.
    ///
    /// `indices` and `offsets` as in `forward_batch`. Empty for a network that is no composition.
    #[pyo3(signature = (indices, offsets=None))]
    fn activations<'py>(
        &self,
        py: Python<'py>,
        indices: &Bound<'py, PyAny>,
        offsets: Option<PyArrayLike1<'py, i64, TypeMustMatch>>,
    ) -> PyResult<Vec<(String, Bound<'py, PyArray2<f32>>)>> {
        let Some(network) = &self.composed else { return Ok(Vec::new()) };
        let rows = self.rows(indices, offsets)?;
        let made = network.activations(&rows)?.into_iter();
        made.map(|(place, width, numbers)| {
            Ok((place, numbers.into_pyarray(py).reshape([rows.len(), width])?))
        })
        .collect()
    }

    /// Numbers that it remembers of an episode, 0 without memory. What is asked for observation by
    /// observation is told as of an episode's first.
    #[getter]
    fn state_size(&self) -> usize {
        self.policy.state_size()
    }

    /// Probabilities, a list `[A]` that is 0 where `masks` `[A]` is false, and the value of one
    /// observation: `obs`, a list of active features in `0..F`. It is seen through one permutation,
    /// drawn by Python's `random`. Where observations are dense, `obs` is an array; of several parts, a
    /// dictionary of these.
    ///
    /// Raises ValueError for features, masks or outputs that are out of range.
    fn predict(&self, obs: &Bound<'_, PyAny>, masks: Vec<bool>) -> PyResult<(Vec<f32>, f32)> {
        self.check_mask(&masks)?;
        let (logits, value) = self.outputs(obs)?;
        Ok((self.probabilities(&logits, &masks)?, value))
    }

    /// Logits, a list `[A]` that is -1e10 where `masks` is false, and the value; the rest, with
    /// `obs`, as in `predict`.
    fn forward(&self, obs: &Bound<'_, PyAny>, masks: Vec<bool>) -> PyResult<(Vec<f32>, f32)> {
        self.check_mask(&masks)?;
        let (mut logits, value) = self.outputs(obs)?;
        for (logit, legal) in logits.iter_mut().zip(masks) {
            if !legal {
                *logit = twisterl::collector::ppo::MASKED_LOGIT;
            }
        }
        Ok((logits, value))
    }

    /// Probabilities `[A]` and value from logits and values averaged over all permutations; the rest,
    /// with `obs` and `masks`, as in `predict`.
    fn full_predict(&self, obs: &Bound<'_, PyAny>, masks: Vec<bool>) -> PyResult<(Vec<f32>, f32)> {
        self.check_mask(&masks)?;
        let words = self.words(obs)?;
        let (logits, value) = in_scratch(|scratch| mean_outputs(&*self.policy, &words, scratch))?;
        Ok((self.probabilities(&logits, &masks)?, value))
    }

    /// Raw logits float32 `[N, A]` and values float32 `[N]` of a batch. The interpreter lock is
    /// released.
    ///
    /// The active features of row `n` are `indices[offsets[n]:offsets[n + 1]]`, with `indices` int32
    /// `[K]` and `offsets` int64 `[N + 1]`; where observations are dense, `indices` are these, an array
    /// `[N, ..]`, and there are no `offsets`; of several parts, a dictionary of such arrays, and of pairs
    /// (indices, offsets) where a part is sparse. A row is seen through the permutation `perms` int32
    /// `[N]`, -1 for none, and evaluated in numbers of `precision`, "f32" or "int8". Raises TypeError for
    /// other types, ValueError for what is out of range.
    #[pyo3(signature = (indices, offsets=None, perms=None, precision="f32"))]
    fn forward_batch<'py>(
        &self,
        py: Python<'py>,
        indices: &Bound<'py, PyAny>,
        offsets: Option<PyArrayLike1<'py, i64, TypeMustMatch>>,
        perms: Option<PyArrayLike1<'py, i32, TypeMustMatch>>,
        precision: &str,
    ) -> PyResult<Outputs<'py>> {
        let policy = match PlayPrecision::of(precision)? {
            PlayPrecision::F32 => self.policy.clone(),
            short => self.policy.at(short)?,
        };
        let rows = self.rows(indices, offsets)?;
        let perms = perms.map(|perms| perms.as_array().to_vec());
        let num_actions = self.policy.num_actions();
        let mut logits = vec![0.0; rows.len() * num_actions];
        let mut values = vec![0.0; rows.len()];
        py.detach(|| {
            in_scratch(|scratch| {
                let perms = perms.as_deref();
                policy.forward_batch(&rows, perms, scratch, &mut logits, &mut values)
            })
        })?;
        let logits = logits.into_pyarray(py).reshape([rows.len(), num_actions])?;
        ROWS.set(rows);
        Ok((logits, values.into_pyarray(py)))
    }

    /// `forward_batch` of observations in the course of episodes, for a policy with memory: `indices`
    /// and `offsets` as there, `states` float32 `[N, S]` what it remembers before each, and the third
    /// that is returned what it remembers after it.
    fn step_batch<'py>(
        &self,
        py: Python<'py>,
        indices: &Bound<'py, PyAny>,
        offsets: Option<PyArrayLike1<'py, i64, TypeMustMatch>>,
        states: PyReadonlyArrayDyn<'py, f32>,
    ) -> PyResult<Stepped<'py>> {
        let rows = self.rows(indices, offsets)?;
        let (num_actions, size) = (self.policy.num_actions(), self.policy.state_size());
        if states.shape() != [rows.len(), size] {
            let (expected, got) = ([rows.len(), size], states.shape());
            return Err(
                Error::invalid("states", format!("{expected:?}"), format!("{got:?}")).into()
            );
        }
        let mut logits = vec![0.0; rows.len() * num_actions];
        let mut values = vec![0.0; rows.len()];
        let mut states = states.as_array().iter().copied().collect::<Vec<f32>>();
        py.detach(|| {
            let scratch = &mut Scratch::default();
            self.policy.step_batch(&rows, None, &mut states, scratch, &mut logits, &mut values)
        })?;
        let logits = logits.into_pyarray(py).reshape([rows.len(), num_actions])?;
        let states = states.into_pyarray(py).reshape([rows.len(), size])?;
        Ok((logits, values.into_pyarray(py), states))
    }

    /// What it remembers before an episode's first observation, float32 `[S]`.
    fn initial_state<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        let mut state = vec![0.0; self.policy.state_size()];
        self.policy.initial_state(&mut state);
        state.into_pyarray(py)
    }
}
