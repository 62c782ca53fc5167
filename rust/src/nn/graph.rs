//! A network as a list of layers, each of which reads what earlier ones made: forward and backward.

mod ahead;

use std::ops::Range;

use super::blocks::linear::Affine;
use super::blocks::recurrent::Recurrent;
use super::blocks::{columns, Describe, Kept, Layer, Span};
use super::buffer::Matrix;
use super::input::Input;
use super::kernels::{Bags, Kernels, Packing, LANES};
use super::layout::{Flat, Layout};
use super::linear::check_finite;
use super::shapes::{mismatch, MOST_NUMBERS};
use super::spec::{Block, Join, NetSpec};
use super::states::{Place, Places};
use crate::error::{Error, Result};

/// A composed network; node 0 is what its input gives.
pub(super) struct Graph {
    pub(super) input: Input,
    nodes: Vec<Node>,
    /// Where the input's last block is in the description, and how many numbers it gives.
    input_place: &'static str,
    input_width: usize,
    /// The nodes that give the logits and the value, and which number of its node the value is.
    pub(super) action: usize,
    pub(super) value: usize,
    pub(super) value_column: usize,
    pub(super) num_actions: usize,
    /// Numbers that all layers together make of one observation.
    pub(super) num_numbers: usize,
    /// The first nodes, that a row alone passes, see [`Graph::infer`].
    num_ahead: usize,
    /// What its layers remember.
    pub(super) memory: Places,
    /// `[S]`, what it remembers before an episode's first observation.
    pub(super) initial_state: Vec<f32>,
}

/// A layer and what it reads.
pub(super) struct Node {
    /// Where its block is in the description, `encoder.2`.
    pub(super) place: String,
    from: Vec<usize>,
    pub(super) width: usize,
    op: Op,
}

enum Op {
    Layer(Box<dyn Layer>),
    Sum,
    /// One after another, of so many numbers each.
    Concat(Vec<usize>),
    /// From this number on.
    Slice(usize),
}

/// What a block makes: the node, and what shape its numbers have.
#[derive(Clone)]
struct Made {
    node: usize,
    shape: Vec<usize>,
}

impl Made {
    fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Graph {
    /// The network of `spec`, its parameters placed in `layout` in the order of
    /// [`NetSpec::parameters`].
    ///
    /// # Errors
    /// If a block does not take what the one before makes, naming its place.
    pub(super) fn new(spec: &NetSpec, layout: &mut Layout) -> Result<Self> {
        let first = spec.encoder.first();
        let is_bag = matches!(first, Some(Block::Bag { .. } | Block::BagConv1d { .. }));
        let relu = is_bag && spec.encoder.get(1) == Some(&Block::Relu);
        let (input, shape) = Input::new(first, relu, layout)?;
        let input_width = check_width(&shape)?;
        let mut builder = Builder {
            layout,
            nodes: Vec::new(),
            num_numbers: columns(input_width),
            memory: Places::default(),
        };
        let start = Made { node: 0, shape };
        let rest = 1 + usize::from(relu);
        let shared = builder.chain("encoder", &spec.encoder, rest, start)?;
        let (action, value, value_column) = match builder.joined(spec, &shared)? {
            Some(made) => made,
            None => {
                let action = builder.chain("action", &spec.action, 0, shared.clone())?;
                (action, builder.chain("value", &spec.value, 0, shared)?, 0)
            }
        };
        if value.width() != 1 {
            return Err(Error::invalid("network: outputs of value", "1", value.width()));
        }
        let Builder { nodes, num_numbers, memory, .. } = builder;
        let initial_state = match spec.initial_state.len() {
            0 => vec![0.0; memory.size],
            got if got == memory.size => spec.initial_state.clone(),
            got => {
                let expected = format!("{} numbers, or none", memory.size);
                return Err(Error::invalid("network: initial_state", expected, got));
            }
        };
        check_finite("network: initial_state", &initial_state)?;
        let num_ahead = ahead::count(&nodes, input_width, action.node.min(value.node));
        Ok(Self {
            num_ahead,
            memory,
            initial_state,
            input,
            nodes,
            input_place: if relu { "encoder.1" } else { "encoder.0" },
            input_width,
            action: action.node,
            value: value.node,
            value_column,
            num_actions: action.width(),
            num_numbers,
        })
    }

    /// How many rows pass through together, at most `most`: activations have their bounds.
    pub(super) fn chunk_rows(&self, most: usize) -> usize {
        (MOST_NUMBERS / self.num_numbers.max(1)).clamp(1, most)
    }

    /// Takes the weights as they are now, all of them when what is returned has been called.
    pub(super) fn pack<'a>(&'a mut self, kernels: Kernels, weights: &'a Flat) -> Vec<Packing<'a>> {
        let mut rest = Vec::new();
        self.input.pack(kernels, weights, &mut rest);
        for node in &mut self.nodes {
            if let Op::Layer(layer) = &mut node.op {
                layer.pack(kernels, weights, &mut rest);
            }
        }
        rest
    }

    /// Whether any layer's products can be of bf16.
    pub(super) fn has_bf16(&self) -> bool {
        self.nodes.iter().any(|node| matches!(&node.op, Op::Layer(layer) if layer.is_of_bf16()))
    }

    /// Makes `kept` fit, the first of which [`Input::read`] fills.
    pub(super) fn ready(&self, kept: &mut Vec<Kept>) {
        kept.resize_with(kept.len().max(self.nodes.len() + 1), Kept::default);
    }

    /// Fills the outputs of all nodes behind the first, which is there.
    pub(super) fn forward(&self, kernels: Kernels, kept: &mut [Kept]) -> Result<()> {
        self.forward_through(0..self.nodes.len(), kernels, kept)
    }

    /// Fills the outputs of the nodes that `through` counts from the second on, which read what is there.
    fn forward_through(
        &self,
        through: Range<usize>,
        kernels: Kernels,
        kept: &mut [Kept],
    ) -> Result<()> {
        for (i, node) in self.nodes.iter().enumerate().take(through.end).skip(through.start) {
            let (below, rest) = kept.split_at_mut(i + 1);
            let to = &mut rest[0];
            let input = &below[node.from[0]].output;
            match &node.op {
                Op::Layer(layer) => {
                    layer.check(input)?;
                    layer.forward(kernels, input, to);
                }
                Op::Sum => {
                    to.output.copy_from(input);
                    node.from[1..].iter().for_each(|&from| to.output.add(&below[from].output));
                }
                Op::Concat(widths) => {
                    to.output.reshape(input.num_rows(), columns(node.width));
                    let mut first = 0;
                    for (&from, &width) in node.from.iter().zip(widths) {
                        to.output.put(first, width, &below[from].output, 0);
                        first += width;
                    }
                }
                Op::Slice(first) => {
                    to.output.reshape(input.num_rows(), columns(node.width));
                    to.output.put(0, node.width, input, *first);
                }
            }
        }
        Ok(())
    }

    /// Passes the gradients of the two nodes of the heads down to all that they come from.
    #[cfg(feature = "learning")]
    pub(super) fn backward(&self, kernels: Kernels, kept: &mut [Kept], spare: &mut Matrix) {
        for (i, node) in self.nodes.iter().enumerate().rev() {
            let (below, rest) = kept.split_at_mut(i + 1);
            let of = &mut rest[0];
            if !of.has_delta {
                continue;
            }
            if let Op::Layer(layer) = &node.op {
                layer.receive(kernels, of);
            }
            let mut first = 0;
            for (branch, &from) in node.from.iter().enumerate() {
                let below = &mut below[from];
                let width = self.width_of(from);
                if from == 0 && !self.input.learns() {
                    continue;
                }
                match &node.op {
                    Op::Layer(layer) => layer.backward(kernels, &below.output, of, spare),
                    Op::Sum => spare.copy_from(&of.delta),
                    Op::Concat(widths) => {
                        spare.reshape(of.delta.num_rows(), columns(width));
                        spare.put(0, widths[branch], &of.delta, first);
                        first += widths[branch];
                    }
                    Op::Slice(start) => {
                        spare.reshape(of.delta.num_rows(), columns(width));
                        spare.clear_from(0);
                        spare.put(*start, node.width, &of.delta, 0);
                    }
                }
                spare.clear_from(width);
                below.take_delta(spare);
            }
        }
        if kept[0].has_delta {
            self.input.receive(kernels, &mut kept[0]);
        }
    }

    fn width_of(&self, node: usize) -> usize {
        node.checked_sub(1).map_or(self.input_width, |i| self.nodes[i].width)
    }

    /// The outputs of all nodes: where their blocks are, and how many numbers they have.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, usize)> {
        let nodes = self.nodes.iter().map(|node| (node.place.as_str(), node.width));
        std::iter::once((self.input_place, self.input_width)).chain(nodes)
    }

    /// The pieces of the gradient: of which node, which of its own, and where.
    pub(super) fn spans(&self) -> Vec<(usize, usize, Span)> {
        let mut spans: Vec<_> = numbered(0, self.input.spans()).collect();
        for (i, node) in self.nodes.iter().enumerate() {
            if let Op::Layer(layer) = &node.op {
                spans.extend(numbered(i + 1, layer.spans()));
            }
        }
        spans
    }

    /// Adds what the rows of `kept` say to a piece of the gradient.
    #[cfg(feature = "learning")]
    pub(super) fn add_gradient(
        &self,
        kernels: Kernels,
        (node, piece): (usize, usize),
        (bags, kept): (&Bags, &[Kept]),
        gradient: &mut [f32],
    ) {
        let of = &kept[node];
        if !of.has_delta {
            return;
        }
        let Some(i) = node.checked_sub(1) else {
            return self.input.add_gradient(kernels, piece, bags, &of.delta, gradient);
        };
        let Node { op, from, .. } = &self.nodes[i];
        if let Op::Layer(layer) = op {
            layer.add_gradient(kernels, piece, &kept[from[0]].output, of, gradient);
        }
    }
}

fn numbered(node: usize, spans: Vec<Span>) -> impl Iterator<Item = (usize, usize, Span)> {
    spans.into_iter().enumerate().map(move |(piece, span)| (node, piece, span))
}

struct Builder<'a> {
    layout: &'a mut Layout,
    nodes: Vec<Node>,
    num_numbers: usize,
    memory: Places,
}

impl Builder<'_> {
    fn push(&mut self, place: String, op: Op, from: Vec<usize>, shape: Vec<usize>) -> Result<Made> {
        let width = check_width(&shape)?;
        self.num_numbers += columns(width) + LANES;
        if self.num_numbers > MOST_NUMBERS {
            let expected = format!("at most {MOST_NUMBERS} numbers, with those of all before");
            return Err(Error::invalid("output", expected, format!("{shape:?}")));
        }
        self.nodes.push(Node { place, from, width, op });
        Ok(Made { node: self.nodes.len(), shape })
    }

    /// The blocks of a list one after another, from `first` on.
    fn chain(
        &mut self,
        list: &str,
        blocks: &[Block],
        first: usize,
        mut made: Made,
    ) -> Result<Made> {
        let mut i = first;
        while let Some(block) = blocks.get(i) {
            let relu = matches!(block, Block::Linear { .. } | Block::Conv(_))
                && blocks.get(i + 1) == Some(&Block::Relu);
            i += usize::from(relu);
            // A fused layer gives what its ReLU gives, and has the place of that.
            let place = format!("{list}.{i}");
            made = self.block(&place, block, relu, made).map_err(|error| match error {
                Error::Invalid { ref name, .. } if !name.starts_with("network") => {
                    error.at(format!("network: {place}: {}", block.kind()))
                }
                other => other,
            })?;
            i += 1;
        }
        Ok(made)
    }

    fn block(&mut self, place: &str, block: &Block, relu: bool, made: Made) -> Result<Made> {
        let Made { node, shape } = made;
        match block {
            Block::Linear { inputs, out, .. } => {
                let Some((&last, tokens)) = shape.split_last().filter(|(last, _)| *last == inputs)
                else {
                    return Err(mismatch(format!("{inputs} along the last axis"), &shape));
                };
                let made = [tokens, &[*out]].concat();
                check_width(&made)?;
                let parts = vec![(*out, block.parameters())];
                let layer = Affine::new(tokens.iter().product(), last, parts, relu, self.layout);
                self.push(place.to_owned(), Op::Layer(Box::new(layer)), vec![node], made)
            }
            Block::Flatten => Ok(Made { node, shape: vec![shape.iter().product()] }),
            Block::Reshape { shape: wanted } => {
                let count = wanted.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
                match count == Some(shape.iter().product()) {
                    true => Ok(Made { node, shape: wanted.clone() }),
                    false => Err(mismatch(format!("as many numbers as {wanted:?}"), &shape)),
                }
            }
            Block::Slice { start, end } => {
                let [width] = shape[..] else { return Err(mismatch("one axis", &shape)) };
                if start >= end || *end > width {
                    return Err(mismatch(format!("numbers {start} to {end}"), &shape));
                }
                let op = Op::Slice(*start);
                self.push(place.to_owned(), op, vec![node], vec![end - start])
            }
            Block::Residual { blocks } => {
                let start = Made { node, shape: shape.clone() };
                let inner = self.chain(&format!("{place}.blocks"), blocks, 0, start)?;
                if inner.shape != shape {
                    return Err(mismatch(format!("blocks that give {shape:?}"), &inner.shape));
                }
                self.push(place.to_owned(), Op::Sum, vec![node, inner.node], shape)
            }
            Block::Parallel { branches, join } => {
                self.parallel(place, branches, *join, (node, shape))
            }
            Block::Recurrent(block) => self.recurrent(place, block, (node, shape)),
            Block::Bag { .. }
            | Block::BagConv1d { .. }
            | Block::Dense { .. }
            | Block::Sparse { .. }
            | Block::Parts { .. } => {
                Err(Error::invalid("block", "one that reads no observations", block.kind()))
            }
            Block::Conv(conv) => {
                let made = conv.output(&shape)?;
                check_width(&made)?;
                let layer = conv.layer_with(relu, &shape, self.layout);
                self.push(place.to_owned(), Op::Layer(layer), vec![node], made)
            }
            _ => {
                let Some(leaf) = block.leaf() else {
                    return Err(Error::invalid("block", "one of a layer", block.kind()));
                };
                let made = leaf.output(&shape)?;
                check_width(&made)?;
                let layer = leaf.layer(&shape, self.layout);
                self.push(place.to_owned(), Op::Layer(layer), vec![node], made)
            }
        }
    }

    /// The layers one after another; what they remember follows that of all before.
    fn recurrent(
        &mut self,
        place: &str,
        block: &Recurrent,
        (mut node, shape): (usize, Vec<usize>),
    ) -> Result<Made> {
        let shape = block.output(&shape)?;
        let (first, of_all) = (self.memory.size, block.layers * block.size);
        for layer in 0..block.layers {
            let is_last = layer + 1 == block.layers;
            let place = if is_last { place.to_owned() } else { format!("{place}.{layer}") };
            self.num_numbers += block.num_kept(block.size);
            let op = Op::Layer(block.layer(layer, self.layout));
            node = self.push(place, op, vec![node], shape.clone())?.node;
            let h = first + layer * block.size;
            let c = (block.cell.num_parts() == 2).then_some(h + of_all);
            let starts = [Some(h), c];
            self.memory.places.push(Place { node, size: block.size, starts });
        }
        self.memory.size += block.cell.num_parts() * of_all;
        Ok(Made { node, shape })
    }

    fn parallel(
        &mut self,
        place: &str,
        branches: &[Vec<Block>],
        join: Join,
        (node, shape): (usize, Vec<usize>),
    ) -> Result<Made> {
        let mut made = Vec::with_capacity(branches.len());
        for (i, branch) in branches.iter().enumerate() {
            let start = Made { node, shape: shape.clone() };
            made.push(self.chain(&format!("{place}.branches.{i}"), branch, 0, start)?);
        }
        let Some(first) = made.first().map(|made| made.shape.clone()) else {
            return Err(Error::invalid("branches", "at least one", 0));
        };
        let nodes = made.iter().map(|made| made.node).collect();
        // Along the first axis, what follows another is contiguous.
        let along = if join == Join::Concat { 1 } else { 0 };
        let fits = |other: &&Made| other.shape.get(along..) == first.get(along..);
        if let Some(other) = made.iter().find(|made| !fits(made) || first.is_empty()) {
            return Err(mismatch(format!("branches that give {first:?}"), &other.shape));
        }
        match join {
            Join::Sum => self.push(place.to_owned(), Op::Sum, nodes, first),
            Join::Concat => {
                let mut shape = first;
                shape[0] = made.iter().map(|made| made.shape[0]).sum();
                let op = Op::Concat(made.iter().map(Made::width).collect());
                self.push(place.to_owned(), op, nodes, shape)
            }
        }
    }

    /// Heads of one linear block each as one layer of `A + 1` outputs, the value last.
    fn joined(&mut self, spec: &NetSpec, shared: &Made) -> Result<Option<(Made, Made, usize)>> {
        let ([action], [value]) = (&spec.action[..], &spec.value[..]) else { return Ok(None) };
        let (Block::Linear { inputs, out, .. }, Block::Linear { inputs: others, out: 1, .. }) =
            (action, value)
        else {
            return Ok(None);
        };
        if inputs != others || shared.shape != [*inputs] || *out >= MOST_NUMBERS {
            return Ok(None);
        }
        let parts = vec![(*out, action.parameters()), (1, value.parameters())];
        let layer = Affine::new(1, *inputs, parts, false, self.layout);
        let op = Op::Layer(Box::new(layer));
        let made = self.push("heads".to_owned(), op, vec![shared.node], vec![out + 1])?;
        let of = |width| Made { node: made.node, shape: vec![width] };
        Ok(Some((of(*out), of(1), *out)))
    }
}

/// The product of `shape`, which is in bounds.
fn check_width(shape: &[usize]) -> Result<usize> {
    let width = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    match width {
        Some(width @ 1..=MOST_NUMBERS) => Ok(width),
        _ => {
            let expected = format!("1 to {MOST_NUMBERS} numbers");
            Err(Error::invalid("output", expected, format!("{shape:?}")))
        }
    }
}
