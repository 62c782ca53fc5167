//! A network whose weights change: its layers over one flat vector, forward and backward.
//!
//! With the outputs `h` of a layer `h = relu(x W + b)` and the gradient `dh` of the loss:
//!
//! ```text
//! dz = dh where h > 0, else 0        dx = dz W^T
//! dW = x^T dz                        db = sum of the rows of dz
//! ```
//!
//! The rows of a batch are cut into chunks of one size, and sums over rows are made chunk after
//! chunk, each in the order of its rows: who computes them changes no bit.

use std::ops::Range;

use super::buffer::{Aligned, Matrix};
use super::first::{push_features, write_numbers};
use super::kernels::{places, Bags, Conv, Kernels, Packed, PackedLinear, LANES, TILE_ROWS};
use super::layout::{Flat, Layout};
use super::network::{checked_perms, perm_of, Network};
use super::policy::Policy;
use super::spec::{Block, HeadSpec, NetSpec};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::spaces::{check_row, Dtype, Rows};

/// Rows that pass through the network together: the depth of a block of the products that make
/// the gradient of a layer's weights.
const CHUNK_ROWS: usize = 22 * TILE_ROWS;
/// Rows of a layer's weights whose gradient is one piece of work.
const PIECE_ROWS: usize = 16 * TILE_ROWS;
/// Pieces of work that the gradient of the first layer's vectors is cut into.
const BAG_PIECES: usize = 4;

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
}

/// See the [module](self).
pub(crate) struct Trainable {
    kernels: Kernels,
    layout: Layout,
    weights: Flat,
    first: FirstLayer,
    common: Vec<Layer>,
    /// One that gives the logits and, last, the value; or one of each.
    heads: Vec<Vec<Layer>>,
    num_features: usize,
    num_actions: usize,
    obs_perms: Vec<Vec<u32>>,
    act_perms: Vec<Vec<u32>>,
}

/// The outputs of a layer, and the gradient of the loss by its sums, `dz`.
#[derive(Default)]
struct Activations {
    output: Matrix,
    delta: Matrix,
}

/// Some rows on their way through the network and back.
#[derive(Default)]
pub(crate) struct Chunk {
    rows: Range<usize>,
    bags: Bags,
    /// Dense observations.
    input: Matrix,
    first: Activations,
    common: Vec<Activations>,
    heads: Vec<Vec<Activations>>,
    spare: Matrix,
    /// Of one row, as the loss sees it.
    logits: Vec<f32>,
    gradient: Vec<f32>,
    scratch: Vec<f32>,
    /// What the rows add to the loss.
    terms: Vec<f64>,
}

/// A part of the gradient that is one piece of work.
pub(crate) struct Piece<'a> {
    part: Part,
    gradient: &'a mut [f32],
}

enum Part {
    /// The vectors of some features of the first layer, or of all channels.
    Vectors(Range<usize>),
    FirstBias,
    /// Rows of a layer's weights.
    Weights(Place, Range<usize>),
    Bias(Place),
}

/// Which fully connected layer.
#[derive(Clone, Copy)]
enum Place {
    First,
    Common(usize),
    Head(usize, usize),
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
        let (first, rest) = FirstLayer::new(&spec.encoder, &mut layout);
        let common = layers(rest, &mut layout);
        let heads = match (spec.action.as_slice(), spec.value.as_slice()) {
            ([action], [value]) => vec![vec![Layer::new(&[action, value], false, &mut layout)]],
            (action, value) => vec![layers(action, &mut layout), layers(value, &mut layout)],
        };
        let [num_features, num_actions] = [network.num_features(), network.num_actions()];
        let weights = layout.zeros();
        Ok(Self {
            kernels,
            weights,
            first,
            common,
            heads,
            num_features,
            num_actions,
            obs_perms: checked_perms("obs_perms", obs_perms, num_features)?,
            act_perms: checked_perms("act_perms", act_perms, num_actions)?,
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
        self.num_actions
    }

    pub(crate) fn num_twists(&self) -> usize {
        self.obs_perms.len()
    }

    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The weights, and the layers that must see them as they are now.
    pub(crate) fn layers(&mut self) -> (&Flat, impl Iterator<Item = &mut dyn Packs> + Send) {
        let Self { weights, first, common, heads, .. } = self;
        let layers = common.iter_mut().chain(heads.iter_mut().flatten());
        let first: &mut dyn Packs = first;
        (weights, std::iter::once(first).chain(layers.map(|layer| layer as &mut dyn Packs)))
    }

    /// As many chunks of `chunks` as a batch of `num_rows` is cut into, more of them if needed.
    pub(crate) fn cut<'a>(&self, num_rows: usize, chunks: &'a mut Vec<Chunk>) -> &'a mut [Chunk] {
        let count = num_rows.div_ceil(CHUNK_ROWS).max(1);
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
        self.backward(chunk);
        Ok(())
    }

    fn forward(&self, seen: Seen<'_>, chunk: &mut Chunk) -> Result<()> {
        let Self { kernels, first, common, heads, .. } = self;
        let views = &seen.views[chunk.rows.clone()];
        let perm = |row: u32, twist| perm_of(&self.obs_perms, row as usize, twist);
        match first {
            FirstLayer::Dense(dtype, layer) => {
                chunk.input.reshape(views.len(), layer.inputs.next_multiple_of(LANES));
                for (place, &(row, twist)) in views.iter().enumerate() {
                    let words = seen.rows.row(row as usize);
                    check_row(row as usize, words, self.num_features, Some(*dtype))?;
                    let to = &mut chunk.input.row_mut(place)[..layer.inputs];
                    write_numbers(words, *dtype, perm(row, twist)?, to);
                }
                kernels.multiply(&layer.forward, &chunk.input, &mut chunk.first.output);
            }
            FirstLayer::Bag { .. } | FirstLayer::Conv { .. } => {
                chunk.bags.clear();
                for &(row, twist) in views {
                    let features = seen.rows.row(row as usize);
                    check_row(row as usize, features, self.num_features, None)?;
                    push_features(features, perm(row, twist)?, &mut chunk.bags);
                }
                let (bags, output) = (&chunk.bags, &mut chunk.first.output);
                match first {
                    FirstLayer::Bag { packed, packed_bias, .. } => {
                        kernels.sum_bags(packed, packed_bias, true, bags, output);
                    }
                    FirstLayer::Conv { packed, bias, .. } => {
                        kernels.sum_placed(packed, bias, true, bags, output);
                    }
                    FirstLayer::Dense(..) => unreachable!("handled above"),
                }
            }
        }
        run(*kernels, common, &chunk.first.output, &mut chunk.common);
        let shared = chunk.common.last().unwrap_or(&chunk.first);
        chunk.heads.resize_with(heads.len(), Vec::new);
        for (head, kept) in heads.iter().zip(&mut chunk.heads) {
            run(*kernels, head, &shared.output, kept);
        }
        Ok(())
    }

    /// The loss of every row and its gradient by the outputs.
    fn compare<L: Loss>(&self, seen: Seen<'_>, loss: &L, chunk: &mut Chunk) {
        let Chunk { rows, heads, logits, gradient, scratch, terms, .. } = chunk;
        let joined = heads.len() == 1;
        for head in heads.iter_mut() {
            if let Some(Activations { output, delta }) = head.last_mut() {
                delta.reshape(output.num_rows(), output.num_columns());
            }
        }
        let [action, rest @ ..] = heads.as_mut_slice() else { return };
        let Some(action) = action.last_mut() else { return };
        let mut value = rest.first_mut().and_then(|head| head.last_mut());
        logits.resize(self.num_actions, 0.0);
        gradient.resize(self.num_actions, 0.0);
        for (place, row) in rows.clone().enumerate() {
            let twist = usize::try_from(seen.views[row].1).ok();
            let act_perm = twist.map(|twist| &self.act_perms[twist]);
            let outputs = action.output.row(place);
            match act_perm {
                None => logits.copy_from_slice(&outputs[..self.num_actions]),
                Some(perm) => {
                    let moved = perm.iter().map(|&action| outputs[action as usize]);
                    logits.iter_mut().zip(moved).for_each(|(to, from)| *to = from);
                }
            }
            let predicted = match &value {
                None => outputs[self.num_actions],
                Some(value) => value.output.row(place)[0],
            };
            let by_value = loss.row(row, logits, predicted, gradient, scratch, terms);
            let deltas = action.delta.row_mut(place);
            deltas.fill(0.0);
            match act_perm {
                None => deltas[..self.num_actions].copy_from_slice(gradient),
                Some(perm) => {
                    let moved = perm.iter().zip(gradient.iter());
                    moved.for_each(|(&action, delta)| deltas[action as usize] += delta);
                }
            }
            if joined {
                deltas[self.num_actions] = by_value;
            } else if let Some(value) = &mut value {
                let deltas = value.delta.row_mut(place);
                deltas.fill(0.0);
                deltas[0] = by_value;
            }
        }
    }

    fn backward(&self, chunk: &mut Chunk) {
        let Self { kernels, common, heads, .. } = self;
        let Chunk { first, common: kept, heads: kept_heads, spare, .. } = chunk;
        let shared = kept.last_mut().unwrap_or(first);
        for (i, (head, kept)) in heads.iter().zip(kept_heads).enumerate() {
            let Some(below) = descend(*kernels, head, kept) else { continue };
            if i == 0 {
                kernels.multiply(below.0, &below.1.delta, &mut shared.delta);
            } else {
                kernels.multiply(below.0, &below.1.delta, spare);
                shared.delta.add(spare);
            }
        }
        let has_relu = common.last().is_none_or(|layer| layer.relu);
        if has_relu {
            shared.delta.keep_where_positive(&shared.output);
        }
        if let Some((packed, lowest)) = descend(*kernels, common, kept) {
            kernels.multiply(packed, &lowest.delta, &mut first.delta);
            first.delta.keep_where_positive(&first.output);
        }
    }

    /// The gradient in pieces that know nothing of each other.
    pub(crate) fn pieces<'a>(&self, gradient: &'a mut Flat) -> Vec<Piece<'a>> {
        let mut parts = self.first.parts();
        let common = self.common.iter().enumerate();
        parts.extend(common.flat_map(|(i, layer)| layer.parts(Place::Common(i))));
        for (head, layers) in self.heads.iter().enumerate() {
            let layers = layers.iter().enumerate();
            parts.extend(layers.flat_map(|(i, layer)| layer.parts(Place::Head(head, i))));
        }
        // In the order of their places, which they fill up to what aligns them.
        let mut rest = &mut gradient.0[..];
        let mut at = 0;
        let mut pieces = Vec::with_capacity(parts.len());
        for (start, len, part) in parts {
            let (_, from) = rest.split_at_mut(start - at);
            let (gradient, after) = from.split_at_mut(len);
            pieces.push(Piece { part, gradient });
            (rest, at) = (after, start + len);
        }
        pieces
    }

    /// Fills a piece of the gradient from all chunks of a batch.
    pub(crate) fn fill(&self, chunks: &[Chunk], piece: &mut Piece<'_>) {
        let Piece { part, gradient } = piece;
        gradient.fill(0.0);
        for chunk in chunks {
            match part {
                Part::Vectors(range) => {
                    self.first.add_vectors(self.kernels, chunk, range, gradient);
                }
                Part::FirstBias => add_rows(&chunk.first.delta, gradient),
                Part::Weights(place, rows) => {
                    let (input, delta) = chunk.around(*place);
                    self.kernels.add_products(input, rows.clone(), delta, gradient);
                }
                Part::Bias(place) => add_rows(chunk.around(*place).1, gradient),
            }
        }
    }
}

impl Chunk {
    /// What its rows add to the loss.
    pub(crate) fn terms(&self) -> &[f64] {
        &self.terms
    }

    /// The inputs of a layer and the gradient by its sums.
    fn around(&self, place: Place) -> (&Matrix, &Matrix) {
        let below = |kept: &'_ [Activations], i: usize| -> Option<usize> {
            (i > 0 && i <= kept.len()).then(|| i - 1)
        };
        let shared = self.common.last().unwrap_or(&self.first);
        match place {
            Place::First => (&self.input, &self.first.delta),
            Place::Common(i) => {
                let input = below(&self.common, i).map_or(&self.first, |i| &self.common[i]);
                (&input.output, &self.common[i].delta)
            }
            Place::Head(head, i) => {
                let kept = &self.heads[head];
                let input = below(kept, i).map_or(shared, |i| &kept[i]);
                (&input.output, &kept[i].delta)
            }
        }
    }
}

/// A layer with weights in the form that the kernels read.
pub(crate) trait Packs: Send {
    /// Takes `weights` as they are now.
    fn pack(&mut self, kernels: Kernels, weights: &Flat);
}

/// A fully connected layer.
struct Layer {
    /// Where its weights `[inputs, padded outputs]` and its bias start.
    weights: usize,
    bias: usize,
    inputs: usize,
    outputs: usize,
    has_bias: bool,
    relu: bool,
    forward: PackedLinear,
    /// `[outputs, inputs]`
    backward: PackedLinear,
}

impl Layer {
    /// The layer of one block, or of several side by side.
    fn new(blocks: &[&Block], relu: bool, layout: &mut Layout) -> Self {
        let outputs: usize = blocks.iter().map(|block| sizes(block)[1]).sum();
        let inputs = blocks.first().map_or(0, |block| sizes(block)[0]);
        let padded = outputs.next_multiple_of(LANES);
        let (weights, bias) = (layout.reserve(inputs * padded), layout.reserve(padded));
        let mut column = 0;
        let mut has_bias = false;
        for block in blocks {
            let [_, outputs] = sizes(block);
            for parameter in block.parameters() {
                let is_bias = parameter.shape.len() == 1;
                has_bias |= is_bias;
                match is_bias {
                    true => layout.place(parameter, bias + column, padded, [1, outputs]),
                    false => layout.place(parameter, weights + column, padded, [inputs, outputs]),
                }
            }
            column += outputs;
        }
        let forward = PackedLinear::zeros(inputs, outputs, relu);
        let backward = PackedLinear::zeros(outputs, inputs, false);
        Self { weights, bias, inputs, outputs, has_bias, relu, forward, backward }
    }

    fn padded(&self) -> usize {
        self.forward.bias.len()
    }

    /// Start, length and meaning of the pieces of its gradient.
    fn parts(&self, place: Place) -> Vec<(usize, usize, Part)> {
        let padded = self.padded();
        let rows = (0..self.inputs).step_by(PIECE_ROWS);
        let mut parts: Vec<_> = rows
            .map(|first| {
                let rows = first..self.inputs.min(first + PIECE_ROWS);
                let (start, len) = (self.weights + first * padded, rows.len() * padded);
                (start, len, Part::Weights(place, rows))
            })
            .collect();
        if self.has_bias {
            parts.push((self.bias, padded, Part::Bias(place)));
        }
        parts
    }
}

impl Packs for Layer {
    fn pack(&mut self, kernels: Kernels, weights: &Flat) {
        let padded = self.padded();
        let matrix = &weights.0[self.weights..][..self.inputs * padded];
        kernels.repack(&mut self.forward.weights, matrix, padded, self.outputs);
        kernels.repack_transposed(&mut self.backward.weights, matrix, padded, self.inputs);
        self.forward.bias.copy_from_slice(&weights.0[self.bias..][..padded]);
    }
}

/// The layers of linear blocks with ReLUs between them.
fn layers(blocks: &[Block], layout: &mut Layout) -> Vec<Layer> {
    let mut made = Vec::new();
    for (i, block) in blocks.iter().enumerate().filter(|(_, block)| **block != Block::Relu) {
        let relu = blocks.get(i + 1) == Some(&Block::Relu);
        made.push(Layer::new(&[block], relu, layout));
    }
    made
}

/// Inputs and outputs of a linear block.
fn sizes(block: &Block) -> [usize; 2] {
    match *block {
        Block::Linear { inputs, out, .. } => [inputs, out],
        _ => [0, 0],
    }
}

/// The first layer, which has nothing below it; a ReLU follows.
enum FirstLayer {
    /// Vectors `[features, padded outputs]`.
    Bag {
        vectors: usize,
        bias: usize,
        features: usize,
        packed: Packed,
        packed_bias: Aligned,
    },
    /// Vectors `[channels, outputs of a place]`.
    Conv {
        vectors: usize,
        packed: Conv,
        bias: Aligned,
    },
    Dense(Dtype, Layer),
}

impl FirstLayer {
    /// The first layer of `encoder`, and the blocks behind its ReLU.
    fn new<'a>(encoder: &'a [Block], layout: &mut Layout) -> (Self, &'a [Block]) {
        match encoder {
            [Block::Dense { dtype, .. }, linear, _, rest @ ..] => {
                (Self::Dense(*dtype, Layer::new(&[linear], true, layout)), rest)
            }
            [bag, _, rest @ ..] => (Self::bag(bag, layout), rest),
            _ => unreachable!("the network was refused"),
        }
    }

    fn bag(block: &Block, layout: &mut Layout) -> Self {
        let mut parameters = block.parameters().into_iter();
        match *block {
            Block::Bag { features, out, .. } => {
                let padded = out.next_multiple_of(LANES);
                let (vectors, bias) = (layout.reserve(features * padded), layout.reserve(padded));
                for (parameter, (start, inputs)) in parameters.zip([(vectors, features), (bias, 1)])
                {
                    layout.place(parameter, start, padded, [inputs, out]);
                }
                let packed = Packed::zeros(features, out);
                Self::Bag { vectors, bias, features, packed, packed_bias: Aligned::zeros(padded) }
            }
            Block::BagConv1d { shape, axis, out, .. } => {
                let channels = shape[axis];
                let vectors = layout.reserve(channels * out);
                if let Some(parameter) = parameters.next() {
                    layout.place(parameter, vectors, out, [channels, out]);
                }
                let bias = Aligned::zeros((out * shape[1 - axis]).next_multiple_of(LANES));
                let packed = Conv {
                    vectors: vec![0.0; channels * out],
                    dim: out,
                    places: places(shape, axis, out),
                };
                Self::Conv { vectors, packed, bias }
            }
            _ => unreachable!("the network was refused"),
        }
    }

    fn parts(&self) -> Vec<(usize, usize, Part)> {
        match self {
            Self::Dense(_, layer) => layer.parts(Place::First),
            Self::Conv { vectors, packed, .. } => {
                vec![(*vectors, packed.vectors.len(), Part::Vectors(0..packed.places.len()))]
            }
            Self::Bag { vectors, bias, features, packed_bias, .. } => {
                let padded = packed_bias.len();
                let each = features.div_ceil(BAG_PIECES).max(1);
                let mut parts: Vec<_> = (0..*features)
                    .step_by(each)
                    .map(|first| {
                        let range = first..(*features).min(first + each);
                        (vectors + first * padded, range.len() * padded, Part::Vectors(range))
                    })
                    .collect();
                parts.push((*bias, padded, Part::FirstBias));
                parts
            }
        }
    }

    /// Adds the gradient by the outputs to the vectors of the features in `range`.
    fn add_vectors(
        &self,
        kernels: Kernels,
        chunk: &Chunk,
        range: &Range<usize>,
        gradient: &mut [f32],
    ) {
        let (bags, delta) = (&chunk.bags, &chunk.first.delta);
        let Self::Conv { packed: Conv { places, dim, .. }, .. } = self else {
            return kernels.add_to_bags(bags, range, delta, gradient);
        };
        for row in 0..bags.len() {
            for &feature in bags.row(row) {
                let place = places[feature as usize];
                let from = &delta.row(row)[place.output as usize..][..*dim];
                let to = &mut gradient[place.vector as usize..][..*dim];
                to.iter_mut().zip(from).for_each(|(sum, delta)| *sum += delta);
            }
        }
    }
}

impl Packs for FirstLayer {
    fn pack(&mut self, kernels: Kernels, weights: &Flat) {
        match self {
            Self::Bag { vectors, bias, features, packed, packed_bias } => {
                let padded = packed_bias.len();
                let matrix = &weights.0[*vectors..][..*features * padded];
                kernels.repack(packed, matrix, padded, padded);
                packed_bias.copy_from_slice(&weights.0[*bias..][..padded]);
            }
            Self::Conv { vectors, packed, .. } => {
                let count = packed.vectors.len();
                packed.vectors.copy_from_slice(&weights.0[*vectors..][..count]);
            }
            Self::Dense(_, layer) => layer.pack(kernels, weights),
        }
    }
}

/// Passes `input` through `layers`; what each of them gives is kept.
fn run(kernels: Kernels, layers: &[Layer], input: &Matrix, kept: &mut Vec<Activations>) {
    kept.resize_with(layers.len(), Activations::default);
    for (i, layer) in layers.iter().enumerate() {
        let (below, from) = kept.split_at_mut(i);
        let input = below.last().map_or(input, |below| &below.output);
        kernels.multiply(&layer.forward, input, &mut from[0].output);
    }
}

/// Passes the gradient of the last of `layers` down to the first; what leads further down.
fn descend<'a>(
    kernels: Kernels,
    layers: &'a [Layer],
    kept: &'a mut [Activations],
) -> Option<(&'a PackedLinear, &'a Activations)> {
    for i in (1..layers.len()).rev() {
        let (below, from) = kept.split_at_mut(i);
        let below = &mut below[i - 1];
        kernels.multiply(&layers[i].backward, &from[0].delta, &mut below.delta);
        if layers[i - 1].relu {
            below.delta.keep_where_positive(&below.output);
        }
    }
    Some((&layers.first()?.backward, kept.first()?))
}

/// Adds all rows of `matrix` to `sums`, one after another.
fn add_rows(matrix: &Matrix, sums: &mut [f32]) {
    for row in 0..matrix.num_rows() {
        sums.iter_mut().zip(matrix.row(row)).for_each(|(sum, value)| *sum += value);
    }
}
