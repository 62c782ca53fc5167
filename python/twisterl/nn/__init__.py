"""Policies in PyTorch, and their export to the Rust engine.

>>> from twisterl.nn import BasicPolicy
>>> policy = BasicPolicy([9, 9], 4, embedding_size=16, common_layers=(8,))
>>> sorted(policy.state_dict())[:2]
['action.0.bias', 'action.0.weight']
"""

from twisterl.nn.policy import BasicPolicy, Conv1dPolicy
from twisterl.nn.torch_policy import TorchPolicy

__all__ = ["BasicPolicy", "Conv1dPolicy", "TorchPolicy"]
