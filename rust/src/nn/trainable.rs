//! A network whose weights change: its layers over one flat vector, forward and backward.
//!
//! The rows of a batch are cut into chunks of one size, and sums over rows are made chunk after
//! chunk, each in the order of its rows: who computes them changes no bit.

use std::ops::Range;

use super::blocks::Kept;
use super::buffer::Matrix;
use super::graph::{Graph, Packing};
use super::kernels::{Bags, Kernels, TILE_ROWS};
use super::layout::{Flat, Layout};
use super::network::{checked_perms, perm_of, Network};
use super::policy::Policy;
use super::spec::{HeadSpec, NetSpec};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::spaces::Rows;

/// Rows that pass through the network together: the depth of a block of the products that make
/// the gradient of a layer's weights.
const CHUNK_ROWS: usize = 22 * TILE_ROWS;

/// What the weights should do better at: asked row by row.
pub(crate) trait Loss: Sync {
    /// Terms that are added up, those of the whole batch together.
    const NUM_TERMS: usize;

    /// Adds the terms of row `row` with the outputs `logits [A]` and `value` to `terms`; writes the
    /// gradient by the logits to `gradient [A]` and returns that by the value.
    fn row(
        &self,
        row: usize,
        logits: &[f32],
        value: f32,
        gradient: &mut [f32],
        scratch: &mut Vec<f32>,
        terms: &mut [f64],
    ) -> f32;
}

/// Observations, each seen through its twist, -1 for none.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) rows: &'a Rows,
    /// Which of the rows, through which twist.
    pub(crate) views: &'a [(u32, i32)],
    /// How they follow each other, where the network remembers: of all views, in their order.
    pub(crate) courses: &'a [Course],
}

/// Some sequences that pass through the network together, the longest first: the first views of all
/// of them, then their second ones, and so on.
#[derive(Default)]
pub(crate) struct Course {
    /// How many sequences have a first step, a second one and so on.
    pub(crate) steps: Vec<usize>,
    /// `[Q, S]`, what is remembered before the first step of each, or before its burn-in.
    pub(crate) states: Vec<f32>,
    /// The sequences that have a burn-in, and the views of it, step after step.
    pub(crate) warmed: Vec<usize>,
    pub(crate) burn_in: Vec<(u32, i32)>,
}

/// See the [module](self).
pub(crate) struct Trainable {
    kernels: Kernels,
    layout: Layout,
    weights: Flat,
    graph: Graph,
    chunk_rows: usize,
    obs_perms: Vec<Vec<u32>>,
    act_perms: Vec<Vec<u32>>,
}

/// Some rows on their way through the network and back.
#[derive(Default)]
pub(crate) struct Chunk {
    rows: Range<usize>,
    bags: Bags,
    /// What the nodes of the graph keep.
    kept: Vec<Kept>,
    spare: Matrix,
    /// Of one row, as the loss sees it.
    logits: Vec<f32>,
    gradient: Vec<f32>,
    scratch: Vec<f32>,
    /// What the rows add to the loss.
    terms: Vec<f64>,
    /// Which of the courses, and its states as the weights make them.
    course: usize,
    states: Vec<f32>,
    warmed: Vec<f32>,
    steps: Vec<usize>,
}

/// A part of the gradient that is one piece of work: of which node, and which of its own.
pub(crate) struct Piece<'a> {
    place: (usize, usize),
    gradient: &'a mut [f32],
}

impl Trainable {
    /// The network of `spec` with weights of 0, seen through the pairs of permutations.
    ///
    /// # Errors
    /// As [`Network::from_spec`].
    pub(crate) fn new(spec: &NetSpec, (obs_perms, act_perms): &Twists) -> Result<Self> {
        if spec.head != HeadSpec::Categorical {
            let got = format!("{:?}", spec.head);
            return Err(Error::invalid("network: head", "categorical, to be trained here", got));
        }
        let parameters = spec.parameters();
        let zeros = |name: &str| {
            let found = parameters.iter().find(|parameter| parameter.name == name)?;
            Some((found.shape.clone(), vec![0.0; found.shape.iter().product()]))
        };
        // What the engine does not play is refused in its words.
        let network = Network::from_spec(spec, zeros, obs_perms.clone(), act_perms.clone())?;
        let kernels = Kernels::new(network.cpu_level())?;
        let mut layout = Layout::default();
        let graph = Graph::new(spec, &mut layout)?;
        let weights = layout.zeros();
        Ok(Self {
            kernels,
            weights,
            // Gradients take as much again.
            chunk_rows: graph.chunk_rows(CHUNK_ROWS),
            obs_perms: checked_perms("obs_perms", obs_perms, network.num_features())?,
            act_perms: checked_perms("act_perms", act_perms, network.num_actions())?,
            graph,
            layout,
        })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn weights(&self) -> &Flat {
        &self.weights
    }

    pub(crate) fn weights_mut(&mut self) -> &mut Flat {
        &mut self.weights
    }

    /// Puts in the weights of parameter `index`, row-major as torch has them.
    ///
    /// # Errors
    /// If they are not as many.
    pub(crate) fn set(&mut self, index: usize, values: &[f32]) -> Result<()> {
        self.layout.write(index, values, &mut self.weights)
    }

    pub(crate) fn num_actions(&self) -> usize {
        self.graph.num_actions
    }

    pub(crate) fn num_twists(&self) -> usize {
        self.obs_perms.len()
    }

    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The weights, and the layers that must see them as they are now.
    pub(crate) fn layers(&mut self) -> (&Flat, impl Iterator<Item = Packing<'_>> + Send) {
        (&self.weights, self.graph.layers())
    }

    /// Numbers `S` that it remembers.
    pub(crate) fn state_size(&self) -> usize {
        self.graph.memory.size
    }

    /// How many sequences of `length` steps a [`Course`] has at most.
    pub(crate) fn num_together(&self, length: usize) -> usize {
        (self.chunk_rows / length.max(1)).max(TILE_ROWS)
    }

    /// As many chunks of `chunks` as the views are cut into, more of them if needed.
    pub(crate) fn cut<'a>(&self, seen: Seen<'_>, chunks: &'a mut Vec<Chunk>) -> &'a mut [Chunk] {
        let num_rows = seen.views.len();
        if self.state_size() > 0 {
            chunks.resize_with(chunks.len().max(seen.courses.len()), Chunk::default);
            let mut first = 0;
            for (i, (chunk, course)) in chunks.iter_mut().zip(seen.courses).enumerate() {
                let end = first + course.steps.iter().sum::<usize>();
                (chunk.rows, chunk.course, first) = (first..end, i, end);
            }
            return &mut chunks[..seen.courses.len()];
        }
        let count = num_rows.div_ceil(self.chunk_rows).max(1);
        let len = num_rows.div_ceil(count);
        chunks.resize_with(chunks.len().max(count), Chunk::default);
        for (i, chunk) in chunks[..count].iter_mut().enumerate() {
            chunk.rows = num_rows.min(i * len)..num_rows.min((i + 1) * len);
        }
        &mut chunks[..count]
    }

    /// The outputs for the rows of `chunk`, their loss, and the gradient by the sums of every layer.
    ///
    /// # Errors
    /// If a row is no observation, or a twist is none.
    pub(crate) fn pass<L: Loss>(&self, seen: Seen<'_>, loss: &L, chunk: &mut Chunk) -> Result<()> {
        self.forward(seen, chunk)?;
        chunk.terms.clear();
        chunk.terms.resize(L::NUM_TERMS, 0.0);
        self.compare(seen, loss, chunk);
        self.graph.backward(self.kernels, &mut chunk.kept, &mut chunk.spare);
        Ok(())
    }

    fn forward(&self, seen: Seen<'_>, chunk: &mut Chunk) -> Result<()> {
        self.graph.ready(&mut chunk.kept);
        if let Some(course) = seen.courses.get(chunk.course) {
            self.recall(seen.rows, course, chunk)?;
        }
        self.show(seen.rows, &seen.views[chunk.rows.clone()], chunk)
    }

    /// Puts in what is remembered before the first step of each sequence.
    fn recall(&self, rows: &Rows, course: &Course, chunk: &mut Chunk) -> Result<()> {
        let size = self.state_size();
        chunk.states.clear();
        chunk.states.extend_from_slice(&course.states);
        if let Some(count) = course.burn_in.len().checked_div(course.warmed.len()) {
            let Chunk { states, warmed, steps, kept, .. } = chunk;
            warmed.clear();
            for sequence in &course.warmed {
                warmed.extend_from_slice(&states[sequence * size..][..size]);
            }
            steps.clear();
            steps.resize(count, course.warmed.len());
            self.graph.memory.put(kept, steps, warmed);
            self.show(rows, &course.burn_in, chunk)?;
            let Chunk { states, warmed, kept, .. } = chunk;
            self.graph.memory.take(kept, warmed);
            for (sequence, state) in course.warmed.iter().zip(warmed.chunks_exact(size)) {
                states[sequence * size..][..size].copy_from_slice(state);
            }
        }
        self.graph.memory.put(&mut chunk.kept, &course.steps, &chunk.states);
        Ok(())
    }

    /// Shows `views` to the network.
    fn show(&self, rows: &Rows, views: &[(u32, i32)], chunk: &mut Chunk) -> Result<()> {
        let Self { kernels, graph, .. } = self;
        let Chunk { bags, kept, .. } = chunk;
        let views = views.iter().map(|&(row, twist)| {
            let row = row as usize;
            Ok((row, perm_of(&self.obs_perms, row, twist)?))
        });
        graph.input.read(*kernels, rows, views, bags, &mut kept[0].output)?;
        graph.forward(*kernels, kept)
    }

    /// The loss of every row and its gradient by the outputs.
    fn compare<L: Loss>(&self, seen: Seen<'_>, loss: &L, chunk: &mut Chunk) {
        let Chunk { rows, kept, logits, gradient, scratch, terms, .. } = chunk;
        let Graph { action, value, value_column, num_actions, .. } = self.graph;
        kept.iter_mut().for_each(|kept| kept.has_delta = false);
        for head in [action, value] {
            let Kept { output, delta, has_delta, .. } = &mut kept[head];
            delta.reshape(output.num_rows(), output.num_columns());
            delta.clear_from(0);
            *has_delta = true;
        }
        logits.resize(num_actions, 0.0);
        gradient.resize(num_actions, 0.0);
        for (place, row) in rows.clone().enumerate() {
            let twist = usize::try_from(seen.views[row].1).ok();
            let act_perm = twist.map(|twist| &self.act_perms[twist]);
            let outputs = kept[action].output.row(place);
            match act_perm {
                None => logits.copy_from_slice(&outputs[..num_actions]),
                Some(perm) => {
                    let moved = perm.iter().map(|&action| outputs[action as usize]);
                    logits.iter_mut().zip(moved).for_each(|(to, from)| *to = from);
                }
            }
            let predicted = kept[value].output.row(place)[value_column];
            let by_value = loss.row(row, logits, predicted, gradient, scratch, terms);
            let deltas = kept[action].delta.row_mut(place);
            match act_perm {
                None => add(gradient, deltas),
                Some(perm) => {
                    let moved = perm.iter().zip(gradient.iter());
                    moved.for_each(|(&action, delta)| deltas[action as usize] += delta);
                }
            }
            kept[value].delta.row_mut(place)[value_column] += by_value;
        }
    }

    /// The gradient in pieces that know nothing of each other.
    pub(crate) fn pieces<'a>(&self, gradient: &'a mut Flat) -> Vec<Piece<'a>> {
        // In the order of their places, which they fill up to what aligns them.
        let mut rest = &mut gradient.0[..];
        let mut at = 0;
        let spans = self.graph.spans();
        let mut pieces = Vec::with_capacity(spans.len());
        for (node, piece, span) in spans {
            let (_, from) = rest.split_at_mut(span.start - at);
            let (gradient, after) = from.split_at_mut(span.len);
            pieces.push(Piece { place: (node, piece), gradient });
            (rest, at) = (after, span.start + span.len);
        }
        pieces
    }

    /// Fills a piece of the gradient from all chunks of a batch.
    pub(crate) fn fill(&self, chunks: &[Chunk], piece: &mut Piece<'_>) {
        let Piece { place, gradient } = piece;
        gradient.fill(0.0);
        for Chunk { bags, kept, .. } in chunks {
            self.graph.add_gradient(self.kernels, *place, (bags, kept), gradient);
        }
    }
}

impl Chunk {
    /// What its rows add to the loss.
    pub(crate) fn terms(&self) -> &[f64] {
        &self.terms
    }
}

/// Adds each of `more` to a number of `sums`.
fn add(more: &[f32], sums: &mut [f32]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::nn::{CpuLevel, Parameter, Scratch};
    use crate::spaces::push_floats;

    /// The sum of the outputs, each with a factor of its own.
    struct Factors {
        factors: Vec<f32>,
        num_actions: usize,
    }

    impl Loss for Factors {
        const NUM_TERMS: usize = 0;

        fn row(
            &self,
            row: usize,
            _: &[f32],
            _: f32,
            gradient: &mut [f32],
            _: &mut Vec<f32>,
            _: &mut [f64],
        ) -> f32 {
            let factors = &self.factors[row * (self.num_actions + 1)..];
            gradient.copy_from_slice(&factors[..self.num_actions]);
            factors[self.num_actions]
        }
    }

    /// As `tests/reference/write_blocks.py` has them.
    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let raw = |i: u64| ((i + 1) * 2_654_435_761 + seed * 40_503) % (1 << 32);
        (0..count as u64).map(|i| (raw(i) as f64 / f64::from(1u32 << 31) - 1.0) as f32).collect()
    }

    fn floats(value: &Value) -> Vec<f32> {
        let numbers = value.as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap() as f32).collect()
    }

    fn require_close(name: &str, got: &[f32], expected: &[f32]) {
        let largest = expected.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
        assert_eq!(got.len(), expected.len(), "{name}");
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() <= 1e-5 * largest, "{name}: {got}, not {expected}");
        }
    }

    #[test]
    fn every_block_gives_the_outputs_and_the_gradients_of_torch() {
        let text = include_str!("../../../specs/golden/blocks.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let spec = NetSpec::parse(&case["spec"].to_string()).unwrap();
            let weights = weights_of(case, &spec);
            levels().for_each(|level| check(case, &spec, &weights, level));
        }
    }

    fn levels() -> impl Iterator<Item = CpuLevel> {
        let levels = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];
        levels.into_iter().filter(|level| level.is_available())
    }

    fn weights_of(case: &Value, spec: &NetSpec) -> Vec<(Parameter, Vec<f32>)> {
        let weights: Vec<(Parameter, Vec<f32>)> = (1..)
            .zip(spec.parameters())
            .map(|(seed, parameter)| {
                let mut values = numbers(parameter.shape.iter().product(), seed);
                if parameter.name == "body.var" {
                    values.iter_mut().for_each(|value| *value = value.abs() + 0.5);
                }
                (parameter, values)
            })
            .collect();
        let listed: Vec<Value> = weights
            .iter()
            .map(|(parameter, _)| serde_json::json!([parameter.name, parameter.shape]))
            .collect();
        assert_eq!(case["parameters"], Value::from(listed));
        weights
    }

    #[test]
    fn every_memory_gives_the_outputs_the_states_and_the_gradients_of_torch() {
        let text = include_str!("../../../specs/golden/blocks.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        let cases = golden["memories"].as_array().unwrap();
        assert_eq!(cases.len(), 6);
        for case in cases {
            let spec = NetSpec::parse(&case["spec"].to_string()).unwrap();
            let weights = weights_of(case, &spec);
            levels().for_each(|level| check_memory(case, &spec, &weights, level));
        }
    }

    fn check_memory(
        case: &Value,
        spec: &NetSpec,
        weights: &[(Parameter, Vec<f32>)],
        level: CpuLevel,
    ) {
        let name = format!("{} {level:?}", case["name"]);
        let get = |name: &str| {
            let found = weights.iter().find(|(parameter, _)| parameter.name == name)?;
            Some((found.0.shape.clone(), &found.1))
        };
        let network = Network::from_spec_for_cpu(spec, get, Twists::default(), level).unwrap();
        let (size, states) = (network.state_size(), floats(&case["states"]));
        let lengths: Vec<usize> =
            floats(&case["lengths"]).into_iter().map(|length| length as usize).collect();
        let firsts: Vec<usize> =
            (0..lengths.len()).map(|i| lengths[..i].iter().sum::<usize>()).collect();
        let mut rows = Rows::default();
        for row in floats(&case["observations"]).chunks(network.num_features()) {
            rows.push_with(|words| push_floats(words, row));
        }
        let (outputs, after) = (floats(&case["outputs"]), floats(&case["after"]));
        let width = network.num_actions() + 1;

        // Played, step by step.
        let mut played = states.clone();
        for ((&first, &length), state) in
            firsts.iter().zip(&lengths).zip(played.chunks_exact_mut(size))
        {
            for row in first..first + length {
                let mut one = Rows::default();
                one.push(rows.row(row));
                let (mut logits, mut values) = (vec![0.0; width - 1], [0.0]);
                let scratch = &mut Scratch::default();
                network.step_batch(&one, None, state, scratch, &mut logits, &mut values).unwrap();
                logits.extend(values);
                require_close(
                    &format!("{name} row {row}"),
                    &logits,
                    &outputs[row * width..][..width],
                );
            }
        }
        require_close(&format!("{name} states"), &played, &after);

        // In training, all of them together, the longest first.
        let mut trainable = loaded(spec, weights, level);
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&i| usize::MAX - lengths[i]);
        let mut course = Course::default();
        course.states.extend(order.iter().flat_map(|&i| &states[i * size..][..size]));
        let mut views = Vec::new();
        for step in 0..lengths[order[0]] {
            let going = order.iter().filter(|&&i| lengths[i] > step);
            let before = views.len();
            views.extend(going.map(|&i| ((firsts[i] + step) as u32, -1)));
            course.steps.push(views.len() - before);
        }
        let told = numbers(rows.len() * width, 1000);
        let factors = views.iter().flat_map(|(row, _)| &told[*row as usize * width..][..width]);
        let loss = Factors { factors: factors.copied().collect(), num_actions: width - 1 };
        let seen = Seen { rows: &rows, views: &views, courses: &[course] };
        require_gradients(&name, case, weights, &mut trainable, seen, &loss);
    }

    /// The network of `spec` with these weights, packed.
    fn loaded(spec: &NetSpec, weights: &[(Parameter, Vec<f32>)], level: CpuLevel) -> Trainable {
        let mut trainable = Trainable::new(spec, &Twists::default()).unwrap();
        trainable.kernels = Kernels::new(level).unwrap();
        for (index, (_, values)) in weights.iter().enumerate() {
            trainable.set(index, values).unwrap();
        }
        let kernels = trainable.kernels();
        let (packed, layers) = trainable.layers();
        layers.for_each(|layer| layer.pack(kernels, packed));
        trainable
    }

    fn require_gradients(
        name: &str,
        case: &Value,
        weights: &[(Parameter, Vec<f32>)],
        trainable: &mut Trainable,
        seen: Seen<'_>,
        loss: &Factors,
    ) {
        let mut chunks = Vec::new();
        let chunks = trainable.cut(seen, &mut chunks);
        for chunk in chunks.iter_mut() {
            trainable.pass(seen, loss, chunk).unwrap();
        }
        let mut gradient = trainable.layout().zeros();
        for mut piece in trainable.pieces(&mut gradient) {
            trainable.fill(chunks, &mut piece);
        }
        for (index, (parameter, values)) in weights.iter().enumerate() {
            if case["name"] == "running_norm" && parameter.name.starts_with("body") {
                continue; // Statistics do not learn.
            }
            let mut found = vec![0.0; values.len()];
            trainable.layout().read(index, &gradient, &mut found).unwrap();
            let expected = floats(&case["gradients"][&parameter.name]);
            let name = format!("{name}: gradient by {}", parameter.name);
            require_close(&name, &found[..expected.len()], &expected);
        }
    }

    fn check(case: &Value, spec: &NetSpec, weights: &[(Parameter, Vec<f32>)], level: CpuLevel) {
        let name = format!("{} {level:?}", case["name"]);
        let get = |name: &str| {
            let found = weights.iter().find(|(parameter, _)| parameter.name == name)?;
            Some((found.0.shape.clone(), &found.1))
        };
        let network = Network::from_spec_for_cpu(spec, get, Twists::default(), level).unwrap();
        let mut rows = Rows::default();
        for row in floats(&case["observations"]).chunks(network.num_features()) {
            rows.push_with(|words| push_floats(words, row));
        }
        let num_actions = network.num_actions();
        let outputs = |rows: &Rows| {
            let (mut logits, mut values) =
                (vec![0.0; rows.len() * num_actions], vec![0.0; rows.len()]);
            let scratch = &mut Scratch::default();
            network.forward_batch(rows, None, scratch, &mut logits, &mut values).unwrap();
            (logits, values)
        };
        let (logits, values) = outputs(&rows);
        require_close(&format!("{name} logits"), &logits, &floats(&case["logits"]));
        require_close(&format!("{name} values"), &values, &floats(&case["values"]));
        // A row's outputs are its own: among many others, and alone.
        let mut many = Rows::default();
        (0..100).for_each(|i| many.push(rows.row(i % rows.len())));
        let (many_logits, _) = outputs(&many);
        assert_eq!(many_logits[99 * num_actions..], logits[..num_actions], "{name}");
        let mut alone = Rows::default();
        alone.push(rows.row(2));
        assert_eq!(outputs(&alone).0, logits[2 * num_actions..], "{name}");

        let factors = numbers(rows.len() * (num_actions + 1), 1000);
        let loss = Factors { factors, num_actions };
        let views: Vec<(u32, i32)> = (0..rows.len() as u32).map(|row| (row, -1)).collect();
        let seen = Seen { rows: &rows, views: &views, courses: &[] };
        let mut trainable = loaded(spec, weights, level);
        require_gradients(&name, case, weights, &mut trainable, seen, &loss);
    }
}
