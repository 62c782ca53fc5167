//! The policy network of the engine: shared layers, then one head for the logits and one for the
//! value.

use std::sync::{Arc, OnceLock};

use super::buffer::Matrix;
use super::coarse::{AnyLinear, Coarsened};
use super::first::{First, PackedFirst};
use super::graph::Graph;
use super::head::Head;
use super::kernels::{CpuLevel, Kernels, LANES, TILE_ROWS};
use super::layout::Flat;
use super::linear::{Linear, Sequential};
use super::policy::{check_len, check_outputs, Policy};
use super::precision::PlayPrecision;
use super::scratch::Scratch;
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::spaces::{Parts, Rows};

/// Most rows that pass through the network together, so that activations stay in the cache.
const CHUNK_ROWS: usize = 11 * TILE_ROWS;

/// What a [`Network`] is made of.
#[derive(Clone)]
pub struct NetworkParts {
    pub first: First,
    /// Reads the output of `first`; may be empty.
    pub common: Sequential,
    /// Reads the output of `common`; its outputs are the logits `[A]`.
    pub action_net: Sequential,
    /// Reads the output of `common`; its one output is the value.
    pub value_net: Sequential,
    /// What the outputs of `action_net` stand for.
    pub head: Head,
    /// `[P, F]`, see [`Policy::forward_batch`].
    pub obs_perms: Vec<Vec<usize>>,
    /// `[P, A]`, not necessarily bijective.
    pub act_perms: Vec<Vec<usize>>,
}

/// A policy network, packed for this processor; immutable. A clone shares its weights.
#[derive(Clone)]
pub struct Network {
    kernels: Kernels,
    body: Body,
    head: Arc<Head>,
    num_actions: usize,
    num_features: usize,
    obs_perms: Arc<[Vec<u32>]>,
    act_perms: Arc<[Vec<u32>]>,
    /// The body in short numbers, once that was asked for.
    coarse: Arc<OnceLock<Body>>,
}

/// The layers.
#[derive(Clone)]
enum Body {
    Stack(Arc<Stack>),
    Composed(Arc<Graph>),
}

/// Linear layers and ReLUs, of which no more is kept than the next one reads.
struct Stack {
    first: PackedFirst,
    common: Vec<AnyLinear>,
    heads: Heads,
    /// Columns of the widest activations.
    max_columns: usize,
}

impl Stack {
    /// The same in short numbers.
    fn coarse(&self, kernels: Kernels) -> Self {
        let coarse = |layers: &[AnyLinear], mut behind_relu: bool| {
            let layers = layers.iter().map(|layer| {
                let coarse = layer.coarse(kernels, behind_relu);
                behind_relu = layer.applies_relu();
                coarse
            });
            layers.collect::<Vec<_>>()
        };
        let of_first = self.first.applies_relu();
        let behind_relu = self.common.last().map_or(of_first, AnyLinear::applies_relu);
        // The last layers stay as they are: theirs are the outputs.
        let head = |layers: &[AnyLinear]| match layers.split_last() {
            Some((last, hidden)) => [coarse(hidden, behind_relu), vec![last.clone()]].concat(),
            None => Vec::new(),
        };
        let heads = match &self.heads {
            Heads::Joined(layer) => Heads::Joined(layer.clone()),
            Heads::Apart { action, value } => {
                Heads::Apart { action: head(action), value: head(value) }
            }
        };
        let common = coarse(&self.common, of_first);
        let (first, max_columns) = (self.first.coarse(kernels), self.max_columns);
        Self { first, common, heads, max_columns }
    }
}

enum Heads {
    /// One layer each: side by side in one layer of `A + 1` outputs, the value last.
    Joined(AnyLinear),
    Apart {
        action: Vec<AnyLinear>,
        value: Vec<AnyLinear>,
    },
}

impl Network {
    /// A policy of discrete actions for the best level of this processor.
    ///
    /// Errors: shapes that do not fit each other (the layer is named), permutations with entries
    /// out of range or of the wrong length, unequal numbers of them.
    pub fn new(
        first: impl Into<First>,
        common: Sequential,
        action_net: Sequential,
        value_net: Sequential,
        obs_perms: Vec<Vec<usize>>,
        act_perms: Vec<Vec<usize>>,
    ) -> Result<Self> {
        let first = first.into();
        let head = Head::Categorical;
        let parts =
            NetworkParts { first, common, action_net, value_net, head, obs_perms, act_perms };
        Self::for_cpu(&parts, CpuLevel::detect())
    }

    /// [`Network::new`] for a processor level of one's choice, to compare levels.
    ///
    /// Errors: also if this processor does not have it.
    pub fn for_cpu(parts: &NetworkParts, level: CpuLevel) -> Result<Self> {
        let kernels = Kernels::new(level)?;
        let NetworkParts { first, common, action_net, value_net, head, obs_perms, act_perms } =
            parts;
        let num_features = first.num_features();
        let width = common.num_outputs("common", first.num_outputs())?;
        let num_actions = action_net.num_outputs("action_net", width)?;
        let num_values = value_net.num_outputs("value_net", width)?;
        if num_values != 1 {
            return Err(Error::invalid("Policy: outputs of value_net", "1", num_values));
        }
        let packed = |layer: &Linear| AnyLinear::Exact(layer.pack(kernels));
        let pack = |net: &Sequential| net.layers.iter().map(packed).collect::<Vec<_>>();
        let layers = [common, action_net, value_net].into_iter().flat_map(|net| &net.layers);
        let max_outputs = layers.map(Linear::num_outputs).fold(first.num_columns(), usize::max);
        let joined = match (action_net.layers.as_slice(), value_net.layers.as_slice()) {
            ([action], [value]) => action.beside(value),
            _ => None,
        };
        let stack = Stack {
            common: pack(common),
            heads: match joined {
                Some(layer) => Heads::Joined(packed(&layer)),
                None => Heads::Apart { action: pack(action_net), value: pack(value_net) },
            },
            first: first.pack(kernels),
            // One more, for the value beside the logits.
            max_columns: (max_outputs + 1).next_multiple_of(LANES),
        };
        let body = Body::Stack(Arc::new(stack));
        let sizes = [num_features, num_actions];
        Self::with_body(kernels, body, sizes, head.clone(), (obs_perms, act_perms))
    }

    /// The network of a graph with these weights.
    pub(super) fn composed(
        mut graph: Graph,
        weights: &Flat,
        head: Head,
        (obs_perms, act_perms): Twists,
        level: CpuLevel,
    ) -> Result<Self> {
        let kernels = Kernels::new(level)?;
        graph.pack(kernels, weights).into_iter().for_each(|pack| pack());
        let sizes = [graph.input.num_features, graph.num_actions];
        let body = Body::Composed(Arc::new(graph));
        Self::with_body(kernels, body, sizes, head, (&obs_perms, &act_perms))
    }

    fn with_body(
        kernels: Kernels,
        body: Body,
        [num_features, num_actions]: [usize; 2],
        head: Head,
        (obs_perms, act_perms): (&[Vec<usize>], &[Vec<usize>]),
    ) -> Result<Self> {
        head.check(num_actions)?;
        if obs_perms.len() != act_perms.len() {
            let expected = format!("{}, as many as obs_perms", obs_perms.len());
            return Err(Error::invalid("Policy: number of act_perms", expected, act_perms.len()));
        }
        Ok(Self {
            kernels,
            body,
            head: Arc::new(head),
            num_actions,
            num_features,
            obs_perms: checked_perms("obs_perms", obs_perms, num_features)?.into(),
            act_perms: checked_perms("act_perms", act_perms, num_actions)?.into(),
            coarse: Arc::default(),
        })
    }

    /// The processor level that the weights are packed for.
    pub fn cpu_level(&self) -> CpuLevel {
        self.kernels.level()
    }

    /// What each block of a composed network gives for `rows`: the place of the block in the
    /// description, how many numbers, and those of all rows. A ReLU behind a linear block or a
    /// convolution is one with it; joined heads, and a network that is no composition, are left out.
    ///
    /// # Errors
    /// As [`Policy::forward_batch`].
    pub fn activations(&self, rows: &Rows) -> Result<Vec<(String, usize, Vec<f32>)>> {
        let Body::Composed(graph) = &self.body else { return Ok(Vec::new()) };
        let Scratch { bags, mut kept, .. } = Scratch::default();
        let (views, mut bags) = ((0..rows.len()).map(|row| Ok((row, None))), bags);
        graph.ready(&mut kept);
        graph.input.read(self.kernels, rows, views, &mut bags, &mut kept[0].output)?;
        graph.memory.put(&mut kept, &[rows.len()], &graph.initial_state.repeat(rows.len()));
        graph.forward(self.kernels, &mut kept)?;
        let made = graph.places().zip(&kept).map(|((place, width), kept)| {
            let rows = (0..rows.len()).flat_map(|row| &kept.output.row(row)[..width]);
            (place.to_owned(), width, rows.copied().collect())
        });
        Ok(made.collect())
    }

    /// Runs the network behind its first layer, whose outputs are in `scratch`.
    fn forward_chunk(
        &self,
        stack: &Stack,
        scratch: &mut Scratch,
        twists: Option<&[i32]>,
        logits: &mut [f32],
        values: &mut [f32],
    ) {
        let Scratch { activations: [x, y, z], coarsened: spare, .. } = scratch;
        self.run(&stack.common, x, spare, y);
        match &stack.heads {
            Heads::Joined(layer) => {
                layer.multiply(self.kernels, x, spare, y);
                self.write_logits(y, twists, logits);
                write_values(y, self.num_actions, values);
            }
            Heads::Apart { action, value } => {
                self.write_logits(self.head(action, x, spare, [y, z]), twists, logits);
                write_values(self.head(value, x, spare, [y, z]), 0, values);
            }
        }
    }

    /// Passes a copy of `x` through `layers`; the result is in one of the three.
    fn head<'a>(
        &self,
        layers: &[AnyLinear],
        x: &'a Matrix,
        spare: &mut Coarsened,
        [y, z]: [&'a mut Matrix; 2],
    ) -> &'a Matrix {
        let Some((first, rest)) = layers.split_first() else {
            return x;
        };
        first.multiply(self.kernels, x, spare, y);
        self.run(rest, y, spare, z);
        y
    }

    /// Passes `x` through `layers`; the result is in `x` again.
    fn run(&self, layers: &[AnyLinear], x: &mut Matrix, spare: &mut Coarsened, y: &mut Matrix) {
        for layer in layers {
            layer.multiply(self.kernels, x, spare, y);
            std::mem::swap(x, y);
        }
    }

    /// `logits[n][a] = outputs[n][act_perm[a]]`, or `[a]` without a twist.
    fn write_logits(&self, outputs: &Matrix, twists: Option<&[i32]>, logits: &mut [f32]) {
        for (row, logits) in logits.chunks_exact_mut(self.num_actions).enumerate() {
            let outputs = outputs.row(row);
            match twists.and_then(|twists| usize::try_from(twists[row]).ok()) {
                None => logits.copy_from_slice(&outputs[..self.num_actions]),
                Some(twist) => {
                    for (logit, &action) in logits.iter_mut().zip(&self.act_perms[twist]) {
                        *logit = outputs[action as usize];
                    }
                }
            }
        }
    }

    /// See [`Policy::step_batch`]; without `states` each row is an episode's first.
    fn evaluate(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        mut states: Option<&mut [f32]>,
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        let num_rows = rows.len();
        check_len("logits", logits.len(), num_rows.saturating_mul(self.num_actions))?;
        check_len("values", values.len(), num_rows)?;
        check_len("twists", twists.map_or(num_rows, <[i32]>::len), num_rows)?;
        let perm =
            |row: usize| perm_of(&self.obs_perms, row, twists.map_or(-1, |twists| twists[row]));
        let stack = match &self.body {
            Body::Stack(stack) => stack,
            Body::Composed(graph) => {
                let size = graph.memory.size;
                if let Some(states) = &states {
                    check_len("states", states.len(), num_rows.saturating_mul(size))?;
                }
                let Scratch { bags, kept, joined, states: initial, .. } = scratch;
                for first in (0..num_rows).step_by(graph.chunk_rows(CHUNK_ROWS)) {
                    let chunk = first..num_rows.min(first + graph.chunk_rows(CHUNK_ROWS));
                    graph.ready(kept);
                    if size > 0 {
                        let before = match &states {
                            Some(states) => &states[first * size..chunk.end * size],
                            None => {
                                initial.clear();
                                let each = chunk.clone().flat_map(|_| &graph.initial_state);
                                initial.extend(each);
                                &initial[..]
                            }
                        };
                        graph.memory.put(kept, &[chunk.len()], before);
                    }
                    let views = chunk.clone().map(|row| Ok((row, perm(row)?)));
                    graph.infer(self.kernels, rows, views, bags, kept, joined)?;
                    if let Some(states) = &mut states {
                        graph.memory.take(kept, &mut states[first * size..chunk.end * size]);
                    }
                    let chunk_twists = twists.map(|twists| &twists[chunk.clone()]);
                    let to =
                        &mut logits[first * self.num_actions..][..chunk.len() * self.num_actions];
                    self.write_logits(&kept[graph.action].output, chunk_twists, to);
                    let value = &kept[graph.value].output;
                    write_values(value, graph.value_column, &mut values[chunk]);
                }
                return check_outputs(logits, self.num_actions, values);
            }
        };
        if let Some(states) = states {
            check_len("states", states.len(), 0)?;
        }
        let chunk_rows = chunk_rows(num_rows);
        // Layers swap these, so each must have room for the widest.
        for activations in &mut scratch.activations {
            activations.reshape(chunk_rows, stack.max_columns);
        }
        for first in (0..num_rows).step_by(chunk_rows) {
            let chunk = first..num_rows.min(first + chunk_rows);
            let chunk_twists = twists.map(|twists| &twists[chunk.clone()]);
            let read = (rows, chunk.clone());
            stack.first.forward(self.kernels, read, self.num_features, perm, scratch)?;
            let logits = &mut logits[first * self.num_actions..][..chunk.len() * self.num_actions];
            self.forward_chunk(stack, scratch, chunk_twists, logits, &mut values[chunk]);
        }
        check_outputs(logits, self.num_actions, values)
    }
}

impl Policy for Network {
    fn num_actions(&self) -> usize {
        self.num_actions
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn num_features(&self) -> usize {
        self.num_features
    }

    fn obs_dtype(&self) -> &'static str {
        match &self.body {
            Body::Stack(stack) => stack.first.dtype(),
            Body::Composed(graph) => graph.input.dtype(),
        }
    }

    fn obs_parts(&self) -> Option<&Parts> {
        match &self.body {
            Body::Stack(_) => None,
            Body::Composed(graph) => graph.input.parts(),
        }
    }

    fn num_twists(&self) -> usize {
        self.obs_perms.len()
    }

    fn state_size(&self) -> usize {
        match &self.body {
            Body::Stack(_) => 0,
            Body::Composed(graph) => graph.memory.size,
        }
    }

    fn initial_state(&self, state: &mut [f32]) {
        if let Body::Composed(graph) = &self.body {
            state.copy_from_slice(&graph.initial_state);
        }
    }

    fn forward_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        self.evaluate(rows, twists, None, scratch, logits, values)
    }

    fn step_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        states: &mut [f32],
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        self.evaluate(rows, twists, Some(states), scratch, logits, values)
    }

    fn share(&self) -> Arc<dyn Policy> {
        Arc::new(self.clone())
    }

    fn at(&self, precision: PlayPrecision) -> Result<Arc<dyn Policy>> {
        match (precision, &self.body) {
            (PlayPrecision::F32, _) => Ok(self.share()),
            (PlayPrecision::Int8, Body::Stack(stack)) => {
                let make = || Body::Stack(Arc::new(stack.coarse(self.kernels)));
                let body = self.coarse.get_or_init(make).clone();
                Ok(Arc::new(Self { body, ..self.clone() }))
            }
            (PlayPrecision::Int8, Body::Composed(_)) => {
                let expected = "f32 for a network that is described block by block";
                Err(Error::invalid("precision", expected, precision.name()))
            }
        }
    }
}

fn write_values(outputs: &Matrix, column: usize, values: &mut [f32]) {
    for (row, value) in values.iter_mut().enumerate() {
        *value = outputs.row(row)[column];
    }
}

/// Rows of a chunk: as few chunks as possible, all of almost one size, in whole tiles.
fn chunk_rows(num_rows: usize) -> usize {
    let num_chunks = num_rows.div_ceil(CHUNK_ROWS).max(1);
    num_rows.div_ceil(num_chunks).next_multiple_of(TILE_ROWS).max(TILE_ROWS)
}

/// The permutation of `perms` that row `row` is seen through, if any: -1 names none.
pub(super) fn perm_of(perms: &[Vec<u32>], row: usize, twist: i32) -> Result<Option<&[u32]>> {
    if twist == -1 {
        return Ok(None);
    }
    let perm = usize::try_from(twist).ok().and_then(|twist| perms.get(twist));
    perm.map(|perm| Some(&perm[..])).ok_or_else(|| {
        let expected = format!("-1 or 0..{}", perms.len());
        Error::invalid(format!("twist of row {row}"), expected, twist)
    })
}

/// The permutations, each of `size` entries in `0..size`.
pub(super) fn checked_perms(
    name: &str,
    perms: &[Vec<usize>],
    size: usize,
) -> Result<Vec<Vec<u32>>> {
    for (i, perm) in perms.iter().enumerate() {
        let name = format!("Policy: {name}[{i}]");
        if perm.len() != size {
            return Err(Error::invalid(name, format!("{size} entries"), perm.len()));
        }
        if let Some(entry) = perm.iter().find(|entry| **entry >= size) {
            return Err(Error::invalid(name, format!("entries in 0..{size}"), entry));
        }
    }
    Ok(perms.iter().map(|perm| perm.iter().map(|&entry| entry as u32).collect()).collect())
}
