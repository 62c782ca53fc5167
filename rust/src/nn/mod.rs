//! Inference: the policy network over batches of sparse observations.
