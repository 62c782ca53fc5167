"""Every class of `twisterl.nn` with random arguments, and spaces that look as gymnasium's."""

from types import SimpleNamespace

import numpy as np
import torch
from twisterl import nn
from twisterl.nn.observations import zeros


class Like(SimpleNamespace):
    """A space that has what gymnasium's have."""


def box(*shape, low=-1.0, high=1.0):
    return Like(shape=shape, low=np.full(shape, low), high=np.full(shape, high))


def choice(n):
    return Like(n=n, shape=())


def parts(*nvec):
    return Like(nvec=np.array(nvec), shape=(len(nvec),))


def together(**spaces):
    return Like(spaces=spaces, shape=None)


def action_space(rng, numbers=True):
    kinds = [choice(int(rng.integers(1, 6))), parts(*rng.integers(1, 4, 2)), box(2)]
    return kinds[rng.integers(0, 2 + numbers)]


def vectors(rng):
    return [box(int(rng.integers(1, 8))), box(*map(int, rng.integers(1, 4, 2)))][rng.integers(2)]


def mlp(rng):
    return nn.MLPPolicy(vectors(rng), action_space(rng), int(rng.integers(1, 9)))


def residual(rng):
    sizes = {"num_blocks": int(rng.integers(0, 3)), "hidden_size": int(rng.integers(1, 9))}
    return nn.ResidualPolicy(vectors(rng), action_space(rng), **sizes)


def attention(rng):
    nhead = int(rng.integers(1, 4))
    width = nhead * int(rng.integers(1, 4))
    return nn.AttentionPolicy(vectors(rng), action_space(rng), width, nhead)


def normalized(rng):
    policy = nn.NormalizedPolicy(vectors(rng), action_space(rng), 5)
    for _ in range(rng.integers(0, 3)):
        policy.update_normalization(zeros(policy.observation_space, 3, torch.randn))
    return policy


def continuous(rng):
    return nn.ContinuousPolicy(vectors(rng), box(int(rng.integers(1, 4))), 6)


def shared(rng):
    return nn.SharedMultiAgentPolicy(vectors(rng), action_space(rng), 2, 6)


def recurrent(rng):
    core = ("lstm", "gru", "rnn")[rng.integers(3)]
    sizes = map(int, rng.integers(1, 5, 3))
    return nn.RecurrentActorCritic(vectors(rng), action_space(rng), core, *sizes)


def cnn(rng):
    sides = map(int, rng.integers(36, 41, 2))
    high = (255.0, 1.0)[rng.integers(2)]
    space = box(int(rng.integers(1, 4)), *sides, low=0.0, high=high)
    return nn.CNNPolicy(space, action_space(rng), 4)


def impala(rng):
    space = box(*map(int, rng.integers(1, 9, 3)), low=0.0, high=255.0)
    return nn.ImpalaPolicy(space, action_space(rng), [2, 3], 4)


def inputs(rng):
    space = together(image=box(1, 20, 24, low=0.0, high=255.0), vector=vectors(rng), n=choice(3))
    return nn.MultiInputPolicy(space, action_space(rng))


POLICIES = {
    made.__name__: made
    for made in (
        mlp, residual, attention, normalized, continuous, shared, recurrent, cnn, impala, inputs
    )
}  # fmt: skip


def tensors(told):
    """All tensors of nested tuples."""
    if isinstance(told, torch.Tensor):
        return [told]
    return [tensor for part in told for tensor in tensors(part)]


def rows(obs, index):
    """Some rows of observations, nested or not."""
    if isinstance(obs, dict):
        return {key: rows(part, index) for key, part in obs.items()}
    return obs[index]
