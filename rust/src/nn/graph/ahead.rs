//! Inference: rows pass the first layers of a network one by one where what those make of many rows is
//! more than the cache holds.

use super::{Graph, Node, Op};
use crate::error::Result;
use crate::nn::blocks::Kept;
use crate::nn::buffer::Matrix;
use crate::nn::kernels::{Bags, Kernels};
use crate::spaces::Rows;

/// Numbers of a row up to which those of all rows that pass together stay in the second-level cache.
const CACHED_NUMBERS: usize = 1 << 12;

/// How many of the first `nodes`, up to `most`, a row alone is to pass: they take rows one by one anyway,
/// make much of each, and nobody else reads what is before the last of them.
pub(super) fn count(nodes: &[Node], input_width: usize, most: usize) -> usize {
    let is_by_row = |node: &&Node| match &node.op {
        Op::Layer(layer) => layer.is_by_row(),
        _ => true,
    };
    let most = nodes.iter().take_while(is_by_row).count().min(most);
    let is_left = |count: usize| {
        let mut read = nodes[count..].iter().flat_map(|node| &node.from);
        read.all(|&from| from >= count)
    };
    let count = (0..=most).rev().find(|&count| is_left(count)).unwrap_or(0);
    let numbers = input_width + nodes[..count].iter().map(|node| node.width).sum::<usize>();
    if numbers > CACHED_NUMBERS {
        count
    } else {
        0
    }
}

impl Graph {
    /// Fills the outputs of the last nodes, all that others read, for the rows that `views` names, each
    /// moved as its permutation says. `joined` is spare.
    ///
    /// # Errors
    /// If a row is no observation of this kind.
    pub(in crate::nn) fn infer<'a>(
        &self,
        kernels: Kernels,
        rows: &Rows,
        views: impl ExactSizeIterator<Item = Result<(usize, Option<&'a [u32]>)>>,
        bags: &mut Bags,
        kept: &mut [Kept],
        joined: &mut Matrix,
    ) -> Result<()> {
        let (last, num_rows) = (self.nodes.len(), views.len());
        if self.num_ahead == 0 || num_rows == 1 {
            self.input.read(kernels, rows, views, bags, &mut kept[0].output)?;
            return self.forward_through(0..last, kernels, kept);
        }
        for (row, view) in views.enumerate() {
            let view = std::iter::once(view);
            self.input.read(kernels, rows, view, bags, &mut kept[0].output)?;
            self.forward_through(0..self.num_ahead, kernels, kept)?;
            let made = &kept[self.num_ahead].output;
            joined.reshape(num_rows, made.num_columns());
            joined.row_mut(row).copy_from_slice(made.row(0));
        }
        std::mem::swap(joined, &mut kept[self.num_ahead].output);
        self.forward_through(self.num_ahead..last, kernels, kept)
    }
}
