//! A network whose weights change: its layers over one flat vector, forward and backward.
//!
//! The rows of a batch are cut into chunks of one size, and sums over rows are made chunk after
//! chunk, each in the order of its rows: who computes them changes no bit.

use std::ops::Range;

use super::blocks::Kept;
use super::buffer::Matrix;
use super::graph::Graph;
use super::kernels::{Bags, Bf16Level, Kernels, Packing, LANES, TILE_ROWS};
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
    /// gradient by the logits to `gradient [A]` and returns that by the value. Behind the outputs are
    /// the head's own parameters, and the gradient by them: `[A + H]`.
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
    head: HeadSpec,
    /// Where the head's own parameters are in the flat vector.
    own: Range<usize>,
    /// Numbers of the flat vector that are one weight: the first place, and another one.
    tied: Vec<(usize, usize)>,
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
    /// The gradient by the head's own parameters.
    by_own: Vec<f32>,
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
    /// Chunks that it was filled from.
    num_chunks: usize,
}

impl Trainable {
    /// The network of `spec` with weights of 0, seen through the pairs of permutations.
    ///
    /// # Errors
    /// As [`Network::from_spec`].
    pub(crate) fn new(spec: &NetSpec, (obs_perms, act_perms): &Twists) -> Result<Self> {
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
        let own = layout.append(spec.head.parameter());
        let weights = layout.zeros();
        Ok(Self {
            kernels,
            weights,
            head: spec.head.clone(),
            own,
            tied: layout.tied(),
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

    pub(crate) fn head(&self) -> &HeadSpec {
        &self.head
    }

    /// Number of outputs `A`.
    pub(crate) fn num_actions(&self) -> usize {
        self.graph.num_actions
    }

    pub(crate) fn num_twists(&self) -> usize {
        self.obs_perms.len()
    }

    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Whether linear layers multiply in bf16 from the next time on that they take weights.
    ///
    /// # Errors
    /// If they are to, and there are none.
    pub(crate) fn multiply_in_bf16(&mut self, is_so: bool) -> Result<()> {
        if is_so && !self.graph.has_bf16() {
            let expected = "f32 for a network without linear layers";
            return Err(Error::invalid("precision", expected, "bf16"));
        }
        let level = Bf16Level::of(self.kernels.level());
        self.kernels = self.kernels.with_bf16(is_so.then_some(level));
        Ok(())
    }

    /// Lets the layers see the weights as they are now: all of them when what is returned has been
    /// called.
    pub(crate) fn pack(&mut self) -> Vec<Packing<'_>> {
        self.graph.pack(self.kernels, &self.weights)
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
        let len = match self.kernels.bf16() {
            None => num_rows.div_ceil(count),
            // Whole tiles, but for the last one.
            Some(_) => num_rows.div_ceil(count).next_multiple_of(2 * LANES),
        };
        let count = num_rows.div_ceil(len.max(1)).max(1);
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
        let Chunk { rows, kept, logits, gradient, by_own, scratch, terms, .. } = chunk;
        let Graph { action, value, value_column, num_actions, .. } = self.graph;
        kept.iter_mut().for_each(|kept| kept.has_delta = false);
        for head in [action, value] {
            let Kept { output, delta, has_delta, .. } = &mut kept[head];
            delta.reshape(output.num_rows(), output.num_columns());
            delta.clear_from(0);
            *has_delta = true;
        }
        let own = &self.weights.0[self.own.clone()];
        logits.resize(num_actions, 0.0);
        logits.extend_from_slice(own);
        gradient.resize(num_actions + own.len(), 0.0);
        by_own.clear();
        by_own.resize(own.len(), 0.0);
        for (place, row) in rows.clone().enumerate() {
            let twist = usize::try_from(seen.views[row].1).ok();
            let act_perm = twist.map(|twist| &self.act_perms[twist]);
            let outputs = kept[action].output.row(place);
            match act_perm {
                None => logits[..num_actions].copy_from_slice(&outputs[..num_actions]),
                Some(perm) => {
                    let moved = perm.iter().map(|&action| outputs[action as usize]);
                    logits.iter_mut().zip(moved).for_each(|(to, from)| *to = from);
                }
            }
            let predicted = kept[value].output.row(place)[value_column];
            let by_value = loss.row(row, logits, predicted, gradient, scratch, terms);
            add(&gradient[num_actions..], by_own);
            let deltas = kept[action].delta.row_mut(place);
            match act_perm {
                None => add(&gradient[..num_actions], deltas),
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
        // In the order of their places, which they fill up to what aligns them; behind them is the
        // head's own.
        let mut rest = &mut gradient.0[..];
        let mut at = 0;
        let spans = self.graph.spans();
        let mut pieces = Vec::with_capacity(spans.len());
        for (node, piece, span) in spans {
            let (_, from) = rest.split_at_mut(span.start - at);
            let (gradient, after) = from.split_at_mut(span.len);
            pieces.push(Piece { place: (node, piece), gradient, num_chunks: 0 });
            (rest, at) = (after, span.start + span.len);
        }
        pieces
    }

    /// Fills in what no piece has: the gradient by the head's own parameters, and that by weights of
    /// several places, which all of them get.
    pub(crate) fn fill_rest(&self, chunks: &[&Chunk], gradient: &mut Flat) {
        let own = &mut gradient.0[self.own.clone()];
        own.fill(0.0);
        chunks.iter().for_each(|chunk| add(&chunk.by_own, own));
        self.tied.iter().for_each(|&(first, other)| gradient.0[first] += gradient.0[other]);
        self.tied.iter().for_each(|&(first, other)| gradient.0[other] = gradient.0[first]);
    }

    /// The numbers of `of` that are another place of a weight, and so no further number.
    pub(crate) fn repeated<'a>(&'a self, of: &'a Flat) -> impl Iterator<Item = f32> + 'a {
        self.tied.iter().map(|&(_, other)| of.0[other])
    }

    /// Adds to a piece of the gradient what the next chunks say: all of a batch, in their order.
    pub(crate) fn fill<'a>(
        &self,
        chunks: impl IntoIterator<Item = &'a Chunk>,
        piece: &mut Piece<'_>,
    ) {
        let Piece { place, gradient, num_chunks } = piece;
        if *num_chunks == 0 {
            gradient.fill(0.0);
        }
        for Chunk { bags, kept, .. } in chunks {
            self.graph.add_gradient(self.kernels, *place, (bags, kept), gradient);
            *num_chunks += 1;
        }
    }
}

impl Piece<'_> {
    /// Chunks of a batch that it was filled from.
    pub(crate) fn num_chunks(&self) -> usize {
        self.num_chunks
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
mod tests;
