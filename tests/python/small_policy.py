"""Policies with random weights, for tests of what is played rather than how well."""

import numpy as np
from twisterl import twisterl

_nn = twisterl.nn


def small_policy(env, seed=0, width=8):
    """A policy for ``env`` that sees its twists."""
    num_features, num_actions = int(np.prod(env.obs_shape())), env.num_actions()
    obs_dtype = getattr(env, "obs_dtype", lambda: "sparse")()
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(scale=0.3, size=shape).astype(np.float32)

    if obs_dtype != "sparse":
        weights, bias = normal(num_features * width), normal(width)
        first = obs_dtype, _nn.Linear(weights, bias, True)
    else:
        weights, bias = normal(num_features, width), normal(width)
        first = _nn.EmbeddingBag(weights, bias, True, [num_features], 0)
    return _nn.Policy(
        first,
        _nn.Sequential([]),
        _nn.Sequential([_nn.Linear(normal(width * num_actions), normal(num_actions), False)]),
        _nn.Sequential([_nn.Linear(normal(width), normal(1), False)]),
        *(env.twists() if hasattr(env, "twists") else ([], [])),
    )


def collector(num_episodes=64, num_cores=1, **options):
    """A PPO collector; ``num_cores`` decides the speed only."""
    return twisterl.collector.PPOCollector(
        num_episodes=num_episodes,
        gamma=0.99,
        num_cores=num_cores,
        **{"lambda": 0.95, "seed": 3, **options},
    )


def everything(data):
    """The bytes of a collection, to compare two."""
    names = ("indices", "offsets", "masks", "actions", "rewards", "values")
    return b"".join(getattr(data.arrays, name).tobytes() for name in names)
