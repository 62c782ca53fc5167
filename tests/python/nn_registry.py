"""Every class of `twisterl.nn` with random valid arguments and inputs: a line each at the end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nn_cases import POLICIES, Like, action_space, box, choice, vectors
from twisterl import nn
from twisterl.nn.encoders import AttentionEncoder, CNNEncoder
from twisterl.nn.observations import zeros


@dataclass(frozen=True)
class Case:
    """A class with random arguments.

    Attributes:
        make: from a numpy generator to a module.
        inputs: from a module and a number of rows to its arguments, a tuple.
        is_policy: whether it takes spaces and is played by the engine.
        remembers: whether it has a state, so that torch plays it.
        looks_at_numbers: whether they decide its way, so that there must be some.
        seeds: how many times it is made.
    """

    make: Callable[[np.random.Generator], torch.nn.Module]
    inputs: Callable[[Any, int], tuple[Any, ...]]
    is_policy: bool = False
    remembers: bool = False
    looks_at_numbers: bool = False
    seeds: int = 6


def observed(module, count):
    """Observations of the module's own space."""
    return (zeros(module.observation_space, count, torch.randn),)


def small(rng, most=6):
    return int(rng.integers(1, most))


def cnn(rng):
    return nn.CNNPolicy(shares(small(rng, 3), 36, 37), action_space(rng), small(rng))


def impala(rng):
    return nn.ImpalaPolicy(shares(*map(int, rng.integers(1, 9, 3))), action_space(rng), [2, 3], 4)


def shares(*shape):
    """Images as an environment's spaces tell them to a network of torch."""
    return box(*shape, low=0.0, high=1.0)


def independent(rng):
    space, count = vectors(rng), small(rng, 4)
    return nn.IndependentMultiAgentPolicy(space, choice(small(rng)), count, small(rng))


def of_agents(module, count):
    ids = torch.arange(count) % module.num_agents
    return (*observed(module.policies[0], count), ids)


def core(kind):
    return lambda rng: getattr(nn, kind)(small(rng), small(rng), small(rng, 3))


def sequences(module, count):
    return (torch.randn(count, 3, module.input_size),)


class Wrapped(torch.nn.Module):
    """What `LSTMWrapper` takes, of three numbers."""

    def __init__(self, width, hidden):
        super().__init__()
        self.encode, self.decode = torch.nn.Linear(3, width), torch.nn.Linear(hidden, 3)

    def encode_observations(self, obs, state=None):
        return torch.tanh(self.encode(obs))

    def decode_actions(self, hidden):
        told = self.decode(hidden)
        return told[:, :-1], told[:, -1:]


def wrapper(rng):
    width, hidden = small(rng), small(rng)
    env = Like(single_observation_space=box(3))
    return nn.LSTMWrapper(env, Wrapped(width, hidden), width, hidden)


def basic(kind):
    def make(rng):
        shape = [small(rng, 4), small(rng, 4)]
        width = small(rng) * (shape[1] if kind == "Conv1dPolicy" else 1)
        layers = {"common_layers": [small(rng)], "value_layers": [small(rng)][: small(rng, 3) - 1]}
        return getattr(nn, kind)(shape, small(rng), width, **layers)

    return make


def of_shape(module, count):
    return (torch.randint(0, 2, (count, *module.obs_shape)).float(),)


def norm(rng):
    made = nn.RunningNorm(tuple(map(int, rng.integers(1, 4, 2))))
    for _ in range(small(rng, 3) - 1):
        made.update(torch.randn(4, *made.size) * 3 + 1)
    return made


def generic(rng):
    encoder = torch.nn.Linear(3, small(rng))
    options = {"observation_space": box(3), "action_space": action_space(rng)}
    return nn.ActorCritic(encoder, **options)


def attention(rng):
    heads = small(rng, 3)
    return AttentionEncoder(box(small(rng), small(rng)), heads * small(rng, 4), heads)


def sized(encoder):
    """An encoder that remembers what it sees."""

    def make(rng):
        shape = tuple(map(int, rng.integers(8, 14, 3) // [4, 1, 1]))
        made = encoder(box(*shape, low=0.0, high=255.0), rng)
        made.sees = shape
        return made

    return make


def seen(module, count):
    return (torch.rand(count, *module.sees) * 255,)


def tokens(module, count):
    return (torch.randn(count, module.num_tokens, module.embed.in_features),)


def spec(rng, outputs=2):
    return nn.EnvSpec(nn.BoxSpace(-1, 1, small(rng)), nn.BoxSpace(-1, 1, outputs))


def seen_by(module, count):
    return (torch.randn(count, module.obs_dim),)


def layered(kind):
    return lambda rng: getattr(nn, kind)(spec(rng), small(rng), small(rng, 3))


def adn(rng):
    dynamics = nn.functional.pd_capacity_32 if rng.integers(2) else nn.functional.pd_cubic
    return nn.ADNPolicy(spec(rng), torch.tanh, dynamics, tau_init=2.0)


def nf(rng):
    return nn.NFPolicy(spec(rng), 1 + small(rng), mirrored_conv_weights=bool(rng.integers(2)))


def headed(rng):
    kinds = ["RNNPolicy", "GRUPolicy", "TwoHeadedLSTMPolicy"]
    policy = [nf, adn, *map(layered, kinds)][rng.integers(5)](rng)
    return nn.PolicyActorCritic(policy.env_spec.obs_space, action_space(rng), policy)


def attending(kind, *more):
    def make(rng):
        skip_kind = ("cat", "residual", None)[rng.integers(3)]
        return getattr(nn, kind)(4, *more, hidden_dim=small(rng), skip_kind=skip_kind)

    return make


def of_four(*lengths):
    return lambda module, count: tuple(torch.randn(count, length, 4) for length in lengths)


CASES: dict[str, Case] = {
    **{
        kind: Case(layered(kind), seen_by)
        for kind in (
            "RNNPolicy",
            "GRUPolicy",
            "LSTMPolicy",
            "TwoHeadedRNNPolicy",
            "TwoHeadedGRUPolicy",
            "TwoHeadedLSTMPolicy",
        )
    },
    "ADNPolicy": Case(adn, seen_by),
    "NFPolicy": Case(nf, seen_by),
    "PolicyActorCritic": Case(headed, observed, remembers=True, seeds=8),
    "MLP": Case(
        lambda rng: nn.MLP(3, [small(rng), small(rng)], activation_fn="tanh"),
        lambda module, count: (torch.randn(count, 3),),
    ),
    "PositionalEmbedding": Case(lambda rng: nn.PositionalEmbedding(4, 5), of_four(3)),
    "SequentialSkipConnection": Case(
        lambda rng: nn.SequentialSkipConnection(4, ("cat", "residual")[rng.integers(2)]),
        of_four(3, 3),
    ),
    "CrossAttention": Case(attending("CrossAttention"), of_four(2, 3)),
    "SelfAttention": Case(attending("SelfAttention"), of_four(3)),
    "SelfAttentionStack": Case(
        lambda rng: nn.SelfAttentionStack(nn.SelfAttention(4, hidden_dim=3), small(rng, 4)),
        of_four(3),
    ),
    "PerceiverLayer": Case(attending("PerceiverLayer"), of_four(2, 3)),
    "PerceiverIOLayer": Case(attending("PerceiverIOLayer", 2), of_four(2, 3)),
    "PointerNetwork": Case(lambda rng: nn.PointerNetwork(4), of_four(2, 3)),
    "ActorCritic": Case(generic, observed, is_policy=True),
    "MLPPolicy": Case(POLICIES["mlp"], observed, is_policy=True),
    "ResidualPolicy": Case(POLICIES["residual"], observed, is_policy=True),
    "AttentionPolicy": Case(POLICIES["attention"], observed, is_policy=True),
    "NormalizedPolicy": Case(POLICIES["normalized"], observed, is_policy=True),
    "ContinuousPolicy": Case(POLICIES["continuous"], observed, is_policy=True),
    "SharedMultiAgentPolicy": Case(POLICIES["shared"], observed),
    "IndependentMultiAgentPolicy": Case(independent, of_agents, looks_at_numbers=True),
    "RecurrentActorCritic": Case(POLICIES["recurrent"], observed, remembers=True),
    "CNNPolicy": Case(cnn, observed, is_policy=True, seeds=1),
    "ImpalaPolicy": Case(impala, observed, is_policy=True, seeds=4),
    "MultiInputPolicy": Case(POLICIES["inputs"], observed, seeds=2),
    "BasicPolicy": Case(basic("BasicPolicy"), of_shape),
    "Conv1dPolicy": Case(basic("Conv1dPolicy"), of_shape),
    "TorchPolicy": Case(
        lambda rng: nn.TorchPolicy(nn.MLPPolicy(box(4), choice(3), small(rng)), [4], 3, "float32"),
        lambda module, count: (torch.randn(count, 4),),
    ),
    "LSTMCore": Case(core("LSTMCore"), sequences),
    "GRUCore": Case(core("GRUCore"), sequences),
    "RecurrentCore": Case(
        lambda rng: nn.RecurrentCore("rnn", small(rng), small(rng), small(rng, 3)), sequences
    ),
    "LSTMWrapper": Case(wrapper, lambda module, count: (torch.randn(count, 4, 3), {})),
    "ImpalaCNN": Case(sized(lambda space, rng: nn.ImpalaCNN(space, [2, 3], small(rng))), seen),
    "CNNEncoder": Case(sized(lambda space, rng: CNNEncoder(space, [(3, 3, 2)], small(rng))), seen),
    "AttentionEncoder": Case(attention, tokens),
    "ResidualBlock": Case(
        lambda rng: nn.ResidualBlock(small(rng)),
        lambda module, count: (torch.randn(count, module.block[0].in_features),),
    ),
    "RunningNorm": Case(norm, lambda module, count: (torch.randn(count, *module.size),)),
    "SquaredReLU": Case(lambda rng: nn.SquaredReLU(), lambda _, count: (torch.randn(count, 3),)),
    "IndiNonlinLayer": Case(
        lambda rng: nn.IndiNonlinLayer(4, [torch.tanh, torch.sigmoid] * 2, bool(rng.integers(2))),
        lambda module, count: (torch.randn(count, 4),),
    ),
    "MirrConv1d": Case(
        lambda rng: nn.MirrConv1d(2, small(rng), 2 * small(rng, 3) - 1, bias=bool(rng.integers(2))),
        lambda module, count: (torch.randn(count, 2, 7),),
    ),
}
