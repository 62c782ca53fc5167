//! Where what the layers of a network remember is in a state `[S]`.

use super::blocks::{columns, Kept};

/// Where a layer's numbers are in a state.
pub(super) struct Place {
    /// The node of the graph.
    pub(super) node: usize,
    pub(super) size: usize,
    /// Where `h` starts, and `c` where there is one.
    pub(super) starts: [Option<usize>; 2],
}

/// The places of all layers.
#[derive(Default)]
pub(super) struct Places {
    pub(super) places: Vec<Place>,
    /// Numbers `S` of a state.
    pub(super) size: usize,
}

impl Places {
    /// Before a pass: what is remembered of the sequences, `states [Q, S]`, and how they go on.
    pub(super) fn put(&self, kept: &mut [Kept], steps: &[usize], states: &[f32]) {
        for place in &self.places {
            let memory = &mut kept[place.node].memory;
            memory.steps.clear();
            memory.steps.extend_from_slice(steps);
            for (start, matrix) in place.starts.iter().zip([&mut memory.h, &mut memory.c]) {
                matrix.reshape(states.len() / self.size, columns(place.size));
                let Some(start) = start else { continue };
                for (row, state) in states.chunks_exact(self.size).enumerate() {
                    let to = matrix.row_mut(row);
                    to[..place.size].copy_from_slice(&state[*start..][..place.size]);
                    to[place.size..].fill(0.0);
                }
            }
        }
    }

    /// After a pass: what is remembered then.
    pub(super) fn take(&self, kept: &[Kept], states: &mut [f32]) {
        for place in &self.places {
            let memory = &kept[place.node].memory;
            for (start, matrix) in place.starts.iter().zip([&memory.h, &memory.c]) {
                let Some(start) = start else { continue };
                for (row, state) in states.chunks_exact_mut(self.size).enumerate() {
                    state[*start..][..place.size].copy_from_slice(&matrix.row(row)[..place.size]);
                }
            }
        }
    }
}
