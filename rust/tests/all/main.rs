//! What the crate promises to those who use it: one program, since each would be linked anew.

#[macro_use]
mod common;

mod acts;
mod beam;
mod classes;
mod configs;
mod conformance;
mod counting;
mod endless;
#[cfg(feature = "python_bindings")]
mod environment_crates;
mod environments;
mod es;
mod exact;
mod fuzz_seeds;
mod golden;
mod heads;
mod laws;
mod memory;
mod nn;
mod nn_allocation;
mod nn_reference;
mod no_alloc;
mod patterns;
mod play;
mod polls;
mod ranked;
mod routing;
mod safetensors;
mod search;
mod signature;
mod state_counts;
mod store;
mod walk;
