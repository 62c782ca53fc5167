"""Functions over tensors and batches: those of `rl8.nn.functional`, and more of their kind."""

from twisterl.nn.losses import ppo_losses
from twisterl.nn.masking import (
    binary_mask_to_float_mask,
    float_mask_to_binary_mask,
    mask_from_lengths,
    masked_avg,
    masked_categorical_sample,
    masked_log_softmax,
    masked_max,
    skip_connection,
)
from twisterl.nn.potentials import (
    pd_capacity_21,
    pd_capacity_21_abs,
    pd_capacity_32,
    pd_capacity_32_abs,
    pd_cubic,
    pd_linear,
)
from twisterl.nn.returns import generalized_advantage_estimate, puff_advantage, vtrace

__all__ = [
    "binary_mask_to_float_mask",
    "float_mask_to_binary_mask",
    "generalized_advantage_estimate",
    "mask_from_lengths",
    "masked_avg",
    "masked_categorical_sample",
    "masked_log_softmax",
    "masked_max",
    "pd_capacity_21",
    "pd_capacity_21_abs",
    "pd_capacity_32",
    "pd_capacity_32_abs",
    "pd_cubic",
    "pd_linear",
    "ppo_losses",
    "puff_advantage",
    "skip_connection",
    "vtrace",
]
