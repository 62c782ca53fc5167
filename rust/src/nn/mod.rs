//! Inference: the policy network over batches of observations.
//!
//! ```text
//! x0     = relu(bias + sum over active features i of vectors[i])      (embedding.rs)
//!        or relu(bias + W obs), where observations are dense                  (first.rs)
//! x      = common(x0)                                                 (linear.rs)
//! logits = action_net(x)   [N, A]        values = value_net(x)   [N]  (network.rs)
//! ```
//!
//! Every output accumulates its inputs in order, starting from the bias, with one fused
//! multiply-add each. So the result of a row has the same bits in any batch, at any place in it,
//! and on every processor that has fused multiply-add.
//!
//! ```
//! use twisterl::nn::{EmbeddingBag, Linear, Network, Policy, Scratch, Sequential};
//! use twisterl::spaces::Rows;
//!
//! # fn main() -> twisterl::Result<()> {
//! let embedding = EmbeddingBag::new(vec![1.0, 2.0, 3.0], 1, vec![0.5], true, vec![3], 0)?;
//! let head = |weights: Vec<f32>| -> twisterl::Result<Sequential> {
//!     let bias = vec![0.0; weights.len()];
//!     Sequential::new(vec![Linear::new(weights, bias, false)?])
//! };
//! let common = Sequential::new(Vec::new())?;
//! let policy = Network::new(embedding, common, head(vec![1.0, -1.0])?, head(vec![2.0])?, vec![], vec![])?;
//!
//! let mut rows = Rows::default();
//! rows.push(&[0, 2]);
//! let (mut logits, mut values) = ([0.0; 2], [0.0; 1]);
//! policy.forward_batch(&rows, None, &mut Scratch::default(), &mut logits, &mut values)?;
//! assert_eq!((logits, values), ([4.5, -4.5], [9.0]));
//! # Ok(())
//! # }
//! ```

mod blocks;
mod buffer;
mod built;
mod called;
mod coarse;
mod embedding;
mod first;
mod functions;
mod graph;
mod head;
mod input;
mod kernels;
mod layout;
mod linear;
#[cfg(feature = "learning")]
mod measured;
mod memory;
mod network;
mod outputs;
mod policy;
mod precision;
pub mod safetensors;
mod scratch;
mod shapes;
mod softmax;
mod spec;
mod state_dict;
mod states;
#[cfg(feature = "learning")]
mod trainable;

pub use blocks::activation::Activation;
pub use blocks::attention::Attention;
pub use blocks::cells::Cell;
pub use blocks::conv::Conv;
pub use blocks::group_norm::GroupNorm;
pub use blocks::layer_norm::LayerNorm;
pub use blocks::lookup::Embedding;
pub use blocks::offset::Offset;
pub use blocks::pool::{Pool, Pooling};
pub use blocks::recurrent::Recurrent;
pub use blocks::running_norm::RunningNorm;
pub use called::{CalledPolicy, Evaluate, Outputs};
pub use embedding::EmbeddingBag;
pub use first::First;
pub use head::Head;
pub(crate) use head::{
    log_slope, normal_log_prob, parts, slope_nodes, standard_normal, HALF_LOG_TAU,
};
#[cfg(target_arch = "x86_64")]
pub(crate) use kernels::{by_avx2, by_avx512};
pub use kernels::{Bf16Level, CpuLevel};
pub(crate) use layout::{Flat, Layout};
pub use linear::{Linear, Sequential};
#[cfg(feature = "learning")]
pub use measured::{Bf16Products, Products};
pub use network::{Network, NetworkParts};
pub use outputs::{mean_outputs, outputs};
pub use policy::Policy;
pub use precision::PlayPrecision;
pub use scratch::Scratch;
pub use shapes::Parameter;
pub(crate) use softmax::exp_sum;
pub use softmax::{argmax, masked_log_softmax, masked_softmax};
pub use spec::{Block, HeadSpec, Join, NetSpec};
#[cfg(feature = "learning")]
pub(crate) use trainable::{Chunk, Course, Loss, Piece, Seen, Trainable};
