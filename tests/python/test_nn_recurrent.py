"""Pyrado's recurrent policies: against NumPy and finite differences, over random arguments."""

import copy
import functools
import io
import pickle
import warnings

import nn_oracles as oracles
import numpy as np
import pytest
import safetensors.torch
import torch
from nn_oracles import weights_of
from twisterl import nn
from twisterl.envs import TMaze
from twisterl.nn import functional
from twisterl.nn.spaces import BoxSpace, DiscreteSpace, EnvSpec
from twisterl.rl import AZ, PPO
from twisterl.train import prepare_algorithm

KINDS = ("rnn", "gru", "lstm")
ONE = {"rnn": nn.RNNPolicy, "gru": nn.GRUPolicy, "lstm": nn.LSTMPolicy}
TWO = {
    "rnn": nn.TwoHeadedRNNPolicy,
    "gru": nn.TwoHeadedGRUPolicy,
    "lstm": nn.TwoHeadedLSTMPolicy,
}
DYNAMICS = [name for name in functional.__all__ if name.startswith("pd_")]


def cases(count):
    return pytest.mark.parametrize("seed", range(count))


def begun(seed):
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def spec_of(inputs=3, outputs=2):
    return EnvSpec(BoxSpace(-1, 1, inputs), BoxSpace(-1, 1, outputs))


def recurrent(rng, seed):
    """A policy of torch's layers, one- or two-headed, and its kind."""
    kind, is_two = KINDS[seed % 3], seed % 2 == 1
    inputs, outputs, width, layers = (int(n) for n in rng.integers(1, 4, 4))
    options = {"bias": False} if seed % 5 == 4 and kind != "rnn" else {}
    if kind == "rnn":
        options["shared_hidden_nonlin" if is_two else "hidden_nonlin"] = ("tanh", "relu")[seed % 2]
    if is_two:
        options |= {"head_2_size": int(rng.integers(1, 4)), "head_2_output_nonlin": torch.tanh}
    elif seed % 4 == 0:
        options["output_nonlin"] = torch.sigmoid
    made = (TWO if is_two else ONE)[kind]
    return made(spec_of(inputs, outputs), width, layers, **options), kind


def adn(rng, seed):
    dynamics = DYNAMICS[seed % len(DYNAMICS)]
    nonlin = (torch.tanh, torch.sigmoid)[seed % 2]
    n = int(rng.integers(1, 4))
    if "capacity" not in dynamics and seed % 3 == 0:
        nonlin = [(torch.tanh, torch.sigmoid, torch.relu)[i] for i in rng.integers(0, 3, n)]
    flags = rng.random(4) < 0.5
    return nn.ADNPolicy(
        spec_of(int(rng.integers(1, 4)), n), nonlin, getattr(functional, dynamics),
        tau_init=float(rng.uniform(1, 5)), tau_learnable=bool(flags[0]),
        kappa_init=(0.0, 0.1)[seed % 2], kappa_learnable=bool(flags[1]),
        capacity_learnable=bool(flags[2]), potential_init_learnable=bool(flags[3]),
    )  # fmt: skip


def nf(rng, seed):
    mode = ("circular", "reflected", "zeros")[seed % 3]
    n = int(rng.integers(2, 6))
    sizes = (None, 1, 2, 3)
    flags = rng.random(4) < 0.5
    return nn.NFPolicy(
        spec_of(int(rng.integers(1, 4)), int(rng.integers(1, 4))), n,
        activation_nonlin=(torch.sigmoid, torch.tanh)[seed % 2],
        mirrored_conv_weights=bool(seed % 4 < 2), conv_out_channels=int(rng.integers(1, 3)),
        conv_kernel_size=sizes[seed // 2 % 4], conv_padding_mode=mode,
        tau_init=float(rng.uniform(1, 5)), kappa_init=(0.0, 0.1)[seed % 2],
        tau_learnable=bool(flags[0]), kappa_learnable=bool(flags[1]),
        potential_init_learnable=bool(flags[2]),
        init_param_kwargs={"bell": True} if flags[3] else None,
    )  # fmt: skip


def torchs(rng, seed):
    return recurrent(rng, seed)[0]


MAKERS = {"torchs": torchs, "adn": adn, "nf": nf}


def every(count):
    pairs = [(name, seed) for name in MAKERS for seed in range(count)]
    return pytest.mark.parametrize(("name", "seed"), pairs)


def made(name, seed):
    rng = begun(seed)
    return MAKERS[name](rng, seed).double(), rng


def close(told, expected, atol=1e-10):
    np.testing.assert_allclose(told.detach().numpy(), expected, rtol=1e-9, atol=atol)


def several(told):
    return told if isinstance(told, tuple) else (told,)


# The steps, in NumPy.


def step_of_torchs(policy, kind, x, state):
    """Outputs and the flat state after x [D]."""
    w, is_two = weights_of(policy), hasattr(policy, "shared")
    layers = policy.shared if is_two else policy.rnn_layers
    parts = state.reshape(-1, layers.num_layers, layers.hidden_size)
    part = oracles.below(w, "shared" if is_two else "rnn_layers")
    (h,), parts = oracles.recurrent(part, kind, x[None], parts, layers.nonlinearity)
    if is_two:
        told = oracles.linear(w, "head_1", h), np.tanh(oracles.linear(w, "head_2", h))
    else:
        told = oracles.linear(w, "output_layer", h)
        told = (oracles.FUNCTIONS["sigmoid"](told) if policy.output_nonlin else told,)
    return told, parts.ravel()


def applied(nonlin, x):
    known = {torch.tanh: np.tanh, torch.sigmoid: oracles.FUNCTIONS["sigmoid"]}
    known[torch.relu] = oracles.FUNCTIONS["relu"]
    if isinstance(nonlin, list):
        return np.array([known[f](each) for f, each in zip(nonlin, x, strict=True)])
    return known[nonlin](x)


def step_of_adn(policy, x, p):
    w = weights_of(policy)

    def act(p):
        return applied(policy.activation_nonlin, w["pot_to_act_layer.weight"] * p)

    s = w["obs_layer.weight"] @ x + w["prev_act_layer.weight"] @ act(p)
    kappa = np.exp(w["log_kappa"]) if "log_kappa" in w else 0
    capacity = np.exp(w["log_capacity"]) if "log_capacity" in w else None
    change = oracles.potentials_dot(
        policy.potentials_dyn_fcn.__name__, p, s, w["resting_level"], np.exp(w["log_tau"]), kappa,
        capacity,
    )  # fmt: skip
    p = np.clip(p + change, -100, 100)
    return act(p), p


def step_of_nf(policy, x, p, mode):
    w, n = weights_of(policy), len(p)

    def act(p):
        scaled = w["pot_to_activ.weight"] * (p + w["pot_to_activ.bias"])
        return applied(policy.activation_nonlin, scaled)

    kernel = w["conv_layer.weight"][:, 0]
    size = policy.conv_layer.kernel_size[0]
    if isinstance(policy.conv_layer, nn.MirrConv1d):
        kernel = np.concatenate((kernel, kernel[:, : size // 2][:, ::-1]), 1)
    activations, s = act(p), w["obs_layer.weight"] @ x
    for i in range(n):
        for j in range(size):
            place = i + j - size // 2
            if mode == "circular":
                place %= n
            elif mode == "reflected":
                place = abs(place) if place < n else 2 * (n - 1) - place
            if 0 <= place < n:
                s[i] += kernel[:, j].sum() * activations[place]
    kappa = np.exp(w["log_kappa"]) if "log_kappa" in w else 0
    d = w["resting_level"] - p
    p = np.clip(p + (s + d + kappa * d**3) / np.exp(w["log_tau"]), -100, 100)
    return w["act_layer.weight"] @ act(p), p


@cases(60)
def test_layers_of_torch_step_by_step(seed):
    rng = begun(seed)
    policy, kind = recurrent(rng, seed)
    policy.double()
    state = torch.tensor(rng.normal(size=policy.hidden_size))
    for _ in range(3):
        x = rng.normal(size=policy.obs_dim)
        told, expected = step_of_torchs(policy, kind, x, state.numpy())
        *outputs, state = (part.detach() for part in policy(torch.tensor(x), state))
        for one, other in zip(outputs, told, strict=True):
            close(one, other)
        close(state, expected)
    layers = policy.shared if hasattr(policy, "shared") else policy.rnn_layers
    parts = 2 if kind == "lstm" else 1
    assert policy.hidden_size == parts * layers.num_layers * layers.hidden_size
    assert policy.is_recurrent and policy.name == ("th" if len(outputs) == 2 else "") + kind
    assert policy.recurrent_network_type is {
        "rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM
    }[kind]  # fmt: skip


@cases(60)
def test_activation_dynamic_networks_step_by_step(seed):
    policy, rng = made("adn", seed)
    p = policy.init_hidden()
    is_sigmoid = policy.activation_nonlin is torch.sigmoid
    if not isinstance(policy.potentials_init, torch.nn.Parameter):
        assert p.tolist() == [-7.0 if is_sigmoid else 0.0] * policy.act_dim
    for _ in range(3):
        x = rng.normal(size=policy.obs_dim)
        told, expected = step_of_adn(policy, x, p.detach().numpy())
        action, p = policy(torch.tensor(x), p)
        close(action, told)
        close(p, expected)
    has_capacity = "capacity" in policy.potentials_dyn_fcn.__name__
    assert (policy.capacity is not None) == has_capacity
    if has_capacity:
        assert policy.capacity.item() == pytest.approx(7.0 if is_sigmoid else 3.8)


@cases(60)
def test_neural_fields_step_by_step(seed):
    policy, rng = made("nf", seed)
    mode, p = ("circular", "reflected", "zeros")[seed % 3], policy.init_hidden()
    assert policy.conv_layer.kernel_size[0] % 2 == 1
    for _ in range(3):
        x = rng.normal(size=policy.obs_dim)
        told, expected = step_of_nf(policy, x, p.detach().numpy(), mode)
        action, p = policy(torch.tensor(x), p)
        close(action, told)
        close(p, expected)
    assert p.shape == (policy.hidden_size,)


# What all have in common.


@every(24)
def test_batches_sequences_and_rollouts_are_steps(name, seed):
    policy, rng = made(name, seed)
    rows, steps = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    obs = torch.tensor(rng.normal(size=(rows, steps, policy.obs_dim)))
    done = torch.tensor(rng.random((rows, steps)) < 0.3) if seed % 2 else None
    first = torch.tensor(rng.normal(size=(rows, policy.hidden_size)))
    whole, last = policy.sequence(obs, first, done)
    zero = policy.init_hidden()
    for row in range(rows):
        hidden = first[row]
        for t in range(steps):
            hidden = zero if done is not None and done[row, t] else hidden
            *told, hidden = policy(obs[row, t], hidden)
            for one, other in zip(told, several(whole), strict=True):
                torch.testing.assert_close(one, other[row, t], rtol=0, atol=1e-6)
        torch.testing.assert_close(hidden, last[row], rtol=0, atol=1e-6)
    *told, _ = policy(obs[:, 0])
    alone = policy(obs[0, 0])
    torch.testing.assert_close(told[0][0], alone[0])
    assert told[0].shape == (rows, alone[0].shape[0])
    # A rollout of each row, recorded or not.
    recorded = {"hidden_states": first.repeat_interleave(steps, 0)} if seed % 3 else {}
    ends = torch.zeros(rows, steps, dtype=torch.bool)
    ends[:, -1] = True
    rollout = nn.StepSequence(
        rewards=torch.zeros(rows * steps), observations=obs.flatten(0, 1),
        actions=torch.zeros(rows * steps), done=ends.flatten(), **recorded,
    )  # fmt: skip
    begin = first if recorded else policy.init_hidden(rows)
    expected, _ = policy.sequence(obs, begin)
    policy.train(bool(seed % 2))
    judged = policy.evaluate(rollout)
    assert policy.training is bool(seed % 2)
    for one, other in zip(several(judged), several(expected), strict=True):
        torch.testing.assert_close(one, other.flatten(0, 1))


@every(8)
def test_gradients_are_differences(name, seed):
    policy, rng = made(name, seed)
    obs = torch.tensor(rng.normal(size=(1, 3, policy.obs_dim)), requires_grad=True)
    hidden = torch.tensor(rng.normal(size=(1, policy.hidden_size)), requires_grad=True)
    names = [each for each, _ in policy.named_parameters()]

    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.policy = policy

        def forward(self, obs, hidden):
            outputs, last = self.policy.sequence(obs, hidden)
            return (*several(outputs), last, self.policy.init_hidden())

    def told(obs, hidden, *weights):
        given = {f"policy.{each}": w for each, w in zip(names, weights, strict=True)}
        return torch.func.functional_call(Whole(), given, (obs, hidden))

    assert torch.autograd.gradcheck(
        told, (obs, hidden, *policy.parameters()), atol=1e-4, fast_mode=True
    )


@every(16)
def test_parameters_as_one_vector_and_saved(name, seed):
    policy, rng = made(name, seed)
    values = policy.param_values
    assert values.shape == (policy.num_param,) and policy.device.type == "cpu"
    values += 1
    assert not torch.equal(values, policy.param_values)
    policy.init_param(values)
    assert torch.equal(policy.param_values, values)
    obs = torch.tensor(rng.normal(size=(2, policy.obs_dim)))
    told = policy(obs)
    sum(part.sum() for part in told).backward()
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in policy.parameters()]
    assert torch.equal(policy.param_grad, torch.cat([grad.flatten() for grad in grads]))
    policy.param_grad = torch.arange(policy.num_param, dtype=torch.float64)
    assert next(policy.parameters()).grad.flatten()[0] == 0
    with torch.no_grad():
        for rows in (None, 2):
            policy.init_hidden(rows).add_(1)
    torch.testing.assert_close(policy(obs)[-1], told[-1])
    state = policy.state_dict()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    again = pickle.loads(pickle.dumps(copy.deepcopy(policy)))
    again.init_param()
    again.load_state_dict(safetensors.torch.load(safetensors.torch.save(state)))
    assert torch.equal(again(obs)[0], policy(obs)[0])
    meta = policy.to("meta")(obs)
    assert {part.device.type for part in meta} == {"meta"}
    assert policy.reset() is None and policy.env_spec.obs_space.flat_dim == policy.obs_dim


def saved_and_loaded(script):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(script, file)
        file.seek(0)
        return torch.jit.load(file)


@every(2)
def test_scripts_hold_their_state(name, seed):
    policy, rng = made(name, seed)
    policy.train()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        script = policy.script()
    assert policy.training and isinstance(script, torch.jit.ScriptModule)
    for net in (script, saved_and_loaded(script), nn.StatefulRecurrentNetwork(policy)):
        assert net.input_size == policy.obs_dim and isinstance(net.output_size, int)
        for _ in range(2):
            hidden = policy.init_hidden()
            for _ in range(3):
                x = torch.tensor(rng.normal(size=policy.obs_dim))
                *expected, hidden = policy.eval()(x, hidden)
                told = several(net(x))
                assert told[0].shape == (net.output_size,)
                for one, other in zip(told, expected, strict=True):
                    torch.testing.assert_close(one, other)
                torch.testing.assert_close(net.hidden, hidden.detach())
                assert not net.hidden.requires_grad
            net.reset()
        torch.testing.assert_close(net.hidden, policy.init_hidden().detach())
        state = net.state_dict()
        assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)


@pytest.mark.parametrize("name, seed", [("torchs", 2), ("nf", 0)])
def test_whole_graphs_are_compiled(name, seed):
    policy, rng = made(name, seed)
    obs = torch.tensor(rng.normal(size=(2, policy.obs_dim)))
    hidden = policy.init_hidden(2).detach()
    torch._dynamo.reset()
    told = torch.compile(policy, fullgraph=True, backend="eager")(obs, hidden)
    for one, other in zip(told, policy(obs, hidden), strict=True):
        torch.testing.assert_close(one, other)


# Single promises.


@cases(40)
def test_packing(seed):
    rng = begun(seed)
    layers, rows, width = (int(n) for n in rng.integers(1, 5, 3))
    hidden = torch.tensor(rng.normal(size=(rows, layers, width))).transpose(0, 1)
    packed = nn.default_pack_hidden(hidden, layers, width, rows)
    expected = np.stack([np.concatenate(list(hidden[:, b].numpy())) for b in range(rows)])
    np.testing.assert_array_equal(packed, expected)
    back = nn.default_unpack_hidden(packed, layers, width, rows)
    assert torch.equal(back, hidden)
    alone = nn.default_pack_hidden(hidden[:, :1], layers, width)
    np.testing.assert_array_equal(alone, expected[0])
    assert torch.equal(nn.default_unpack_hidden(alone, layers, width), hidden[:, :1])
    for wrong, size in (
        (packed[:, 1:], rows),
        (packed, rows + 1),
        (packed[None], rows),
        (alone, 1),
    ):
        with pytest.raises(ValueError, match="hidden"):
            nn.default_unpack_hidden(wrong, layers, width, size)


def test_nothing_is_dropped_out_of_an_evaluation():
    policy = nn.GRUPolicy(spec_of(), 4, 2, dropout=0.9)
    policy.output_layer.eval()
    rows = {"rewards": torch.zeros(3), "observations": torch.randn(3, 3), "actions": torch.zeros(3)}
    rollout = nn.StepSequence(**rows)
    assert torch.equal(policy.evaluate(rollout), policy.evaluate(rollout))
    assert policy.training and not policy.output_layer.training
    x = torch.randn(3)
    assert not torch.equal(policy(x)[0], policy(x)[0])


def test_an_evaluation_learns_the_first_potentials():
    policy = nn.ADNPolicy(
        spec_of(), torch.tanh, functional.pd_linear, potential_init_learnable=True
    )
    rows = {"rewards": torch.zeros(3), "observations": torch.randn(3, 3), "actions": torch.zeros(3)}
    policy.evaluate(nn.StepSequence(**rows))[-1].sum().backward()
    assert policy.potentials_init.grad.abs().min() > 0
    policy.zero_grad()
    policy.evaluate(nn.StepSequence(**rows, hidden_states=torch.randn(3, 2)))[-1].sum().backward()
    assert policy.potentials_init.grad is None


def test_weights_begin_as_they_are_told_to():
    policy = nn.LSTMPolicy(spec_of(), 4, 1, init_param_kwargs={"t_max": 20})
    forget = policy.rnn_layers.bias_ih_l0.detach()[4:8].clone()
    assert (forget > 0).all() and torch.equal(policy.rnn_layers.bias_ih_l0[:4], -forget)
    policy.init_param()
    assert not torch.equal(policy.rnn_layers.bias_ih_l0.detach()[4:8], forget)
    own = torch.nn.Linear(3, 2)
    before = own.weight.detach().clone()
    policy = nn.ADNPolicy(
        spec_of(), torch.tanh, functional.pd_cubic, own, kappa_init=0.0, kappa_learnable=True,
        init_param_kwargs={"sigmoid_nlin": True},
    )  # fmt: skip
    assert policy.prev_act_layer.weight.tolist() == [[1.0, -0.5], [-0.5, 1.0]]
    assert policy.kappa.tolist() == [0.0] and "log_kappa" not in policy.state_dict()
    assert policy.obs_layer is own and torch.equal(own.weight, before)
    assert torch.equal(policy.pot_to_act_layer.weight, torch.ones(2))
    assert policy.pot_to_act_layer.bias is None and policy.tau.item() == pytest.approx(10)
    policy = nn.NFPolicy(spec_of(), 4, tau_learnable=False, kappa_init=0.5, kappa_learnable=False)
    fixed = dict(policy.named_buffers())
    assert fixed.keys() == {"log_tau", "log_kappa", "potentials_init"}
    assert policy.conv_layer.kernel_size == (5,) and policy.kappa.item() == pytest.approx(0.5)
    assert policy.pot_to_activ.bias.shape == (4,) and policy.act_layer.bias is None


@pytest.mark.parametrize("rows", [None, 1, 3])
def test_stimuli_are_recorded(rows):
    torch.manual_seed(0)
    policy = nn.NFPolicy(spec_of(), 4)
    obs = torch.randn(3) if rows is None else torch.randn(rows, 3)
    policy(obs)
    shape = (4,) if rows is None else (rows, 4)
    assert policy.stimuli_external.shape == policy.stimuli_internal.shape == shape
    torch.testing.assert_close(policy.stimuli_external, (obs @ policy.obs_layer.weight.T).detach())


def test_potentials_stay_in_bounds():
    policy = nn.ADNPolicy(spec_of(), torch.tanh, functional.pd_linear, tau_init=0.1)
    _, potentials = policy(torch.full((3,), 1e6))
    assert potentials.abs().max() <= 100


class Counting(nn.RecurrentPolicy):
    """A policy of somebody's own: what `forward` says is all there is."""

    def __init__(self, spec):
        super().__init__(spec, use_cuda=False)
        self.layer = torch.nn.Linear(self.obs_dim, self.act_dim)

    @property
    def hidden_size(self):
        return 1

    def forward(self, obs, hidden=None):
        hidden = self.init_hidden(len(obs) if obs.ndim == 2 else None) if hidden is None else hidden
        return self.layer(obs) + hidden, hidden + 1


def test_policies_of_ones_own():
    policy = Counting(spec_of())
    rows = {"rewards": torch.zeros(3), "observations": torch.zeros(3, 3), "actions": torch.zeros(3)}
    told = policy.evaluate(nn.StepSequence(**rows, done=[False, True, True]))
    torch.testing.assert_close(told[:, 0] - policy.layer.bias[0], torch.tensor([0.0, 1.0, 0.0]))
    with pytest.raises(TypeError, match="abstract"):
        nn.RecurrentPolicy(spec_of())
    assert not policy.script()(torch.zeros(3)).isnan().any()


TRAINED = {
    "RNNPolicy": {"hidden_size": 4, "num_recurrent_layers": 1, "hidden_nonlin": "relu"},
    "GRUPolicy": {"hidden_size": 4, "num_recurrent_layers": 2, "output_nonlin": "tanh"},
    "twisterl.nn.LSTMPolicy": {"hidden_size": 4, "num_recurrent_layers": 1},
    "TwoHeadedRNNPolicy": {"shared_hidden_size": 4, "shared_num_recurrent_layers": 1},
    "TwoHeadedGRUPolicy": {
        "shared_hidden_size": 4, "shared_num_recurrent_layers": 1,
        "head_2_size": 3, "head_2_output_nonlin": "sigmoid",
    },
    "TwoHeadedLSTMPolicy": {"shared_hidden_size": 4, "shared_num_recurrent_layers": 1},
    "ADNPolicy": {
        "activation_nonlin": ["tanh", "sigmoid", "relu"], "potentials_dyn_fcn": "pd_cubic",
        "outputs": 3, "init_param_kwargs": {"sigmoid_nlin": True}, "obs_layer": [5],
    },
    "NFPolicy": {"hidden_size": 4, "conv_padding_mode": "reflected", "kappa_init": 0.1},
}  # fmt: skip


def config(policy_cls):
    return {
        "env_cls": "TMaze",
        "env": {"length": 1, "max_episode_steps": 4},
        "policy_cls": policy_cls,
        "policy": TRAINED[policy_cls],
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 8, "num_cores": 1},
            "training": {"num_epochs": 1, "sequence_length": 3},
            "evals": {},
        },
    }


@pytest.mark.parametrize("policy_cls", TRAINED)
def test_each_is_trained_from_a_config_of_anywhere(policy_cls, tmp_path):
    algorithm = prepare_algorithm(config(policy_cls), tmp_path, trust=False)
    own = algorithm.policy.module.core.policy
    assert type(own) is getattr(nn, policy_cls.rpartition(".")[2])
    before = own.param_values
    algorithm.learn(1)
    after = own.param_values
    assert (after != before).float().mean() > 0.5
    again = prepare_algorithm(config(policy_cls), tmp_path, trust=False)
    again.resume()
    assert torch.equal(again.policy.module.core.policy.param_values, after)


def test_an_actor_sees_the_first_output_and_a_critic_all():
    torch.manual_seed(0)
    seen = nn.BoxSpace(-1, 1, 3)
    policy = nn.TwoHeadedGRUPolicy(nn.EnvSpec(seen, nn.BoxSpace(-1, 1, 2)), 4, 1, head_2_size=3)
    actor_critic = nn.PolicyActorCritic(seen, nn.DiscreteSpace([0, 1]), policy)
    obs, told = torch.randn(5, 3), []
    for change in (0.0, policy.head_2.bias, policy.head_1.bias):
        with torch.no_grad():
            change += 1.0
        told.append(actor_critic(obs)[:2])
    moved = [
        [not torch.equal(b, a) for a, b in zip(told[i], told[i + 1], strict=True)] for i in (0, 1)
    ]
    assert moved == [[False, True], [True, True]]


def test_a_policy_is_trained_as_it_is_given():
    spec = EnvSpec(BoxSpace(0, 1, 4), BoxSpace(-1, 1, 3))
    policy = nn.NFPolicy(spec, 4)
    algorithm = PPO(TMaze(length=1), policy, {"evals": {}, "collecting": {"num_episodes": 4}})
    before = policy.param_values
    algorithm.learn(1)
    assert not torch.equal(policy.param_values, before)
    with pytest.raises(ValueError, match="policy: expected one of 4 numbers, got 3"):
        PPO(TMaze(length=1), nn.GRUPolicy(spec_of(), 4, 1), {"evals": {}})
    with pytest.raises(ValueError, match="remembers 4 numbers"):
        AZ(TMaze(length=1), nn.GRUPolicy(spec, 4, 1), {"evals": {}})


@pytest.mark.parametrize(
    "said, change",
    [
        ("policy.hidden_size", {"hidden_size": 0}),
        ("policy.output_nonlin", {"output_nonlin": "exec"}),
        ("policy.num_layers", {"num_layers": 3}),
    ],
)
def test_faults_of_a_config_are_told(said, change):
    wrong = config("GRUPolicy")
    wrong["policy"] = {**wrong["policy"], **change}
    with pytest.raises(ValueError, match=said):
        prepare_algorithm(wrong, trust=False)


@every(6)
def test_actor_critics_over_sequences_are_steps(name, seed):
    rng = begun(seed)
    policy = MAKERS[name](rng, seed)
    actions = DiscreteSpace([0, 1, 2]) if seed % 2 else BoxSpace(-1, 1, 2)
    whole = nn.PolicyActorCritic(policy.env_spec.obs_space, actions, policy)
    nn.check_policy_shapes(whole, policy.env_spec.obs_space, 3)
    assert "nan" not in nn.check_gradients(whole, policy.env_spec.obs_space).values()
    obs, done = torch.randn(2, 4, policy.obs_dim), torch.rand(2, 4) < 0.3
    *told, last = whole(obs, None, done)
    state = whole.initial_state(2)
    for t in range(4):
        *each, state = whole(obs[:, t], state, done[:, t])
        for one, other in zip(each, told, strict=True):
            torch.testing.assert_close(one, other[:, t], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-5)


SPEC = spec_of()
STEPS = functools.partial(
    nn.StepSequence, rewards=[0, 0], observations=np.zeros((2, 3)), actions=[0, 0]
)
ADN = functools.partial(nn.ADNPolicy, SPEC, torch.tanh)
NF = functools.partial(nn.NFPolicy, SPEC)
CAPACITY, WIDE = functional.pd_capacity_21, torch.nn.Linear(3, 3)


def headed(policy, inputs):
    return nn.PolicyActorCritic(BoxSpace(0, 1, inputs), DiscreteSpace([0, 1]), policy)


@pytest.mark.parametrize(
    "error, said, call",
    [
        (TypeError, "spec", lambda: nn.GRUPolicy(3, 4, 1)),
        (ValueError, "use_cuda", lambda: nn.GRUPolicy(SPEC, 4, 1, use_cuda=True)),
        (TypeError, "hidden_size", lambda: nn.GRUPolicy(SPEC, 4.5, 1)),
        (ValueError, "num_recurrent_layers", lambda: nn.LSTMPolicy(SPEC, 4, 0)),
        (ValueError, "dropout", lambda: nn.LSTMPolicy(SPEC, 4, 1, dropout=2)),
        (TypeError, "output_nonlin", lambda: nn.LSTMPolicy(SPEC, 4, 1, "tanh")),
        (ValueError, "bidirectional", lambda: nn.GRUPolicy(SPEC, 4, 1, bidirectional=True)),
        (ValueError, "nonlinearity", lambda: nn.GRUPolicy(SPEC, 4, 1, nonlinearity="relu")),
        (ValueError, "hidden_nonlin", lambda: nn.RNNPolicy(SPEC, 4, 1, "sigmoid")),
        (ValueError, "head_1_size", lambda: nn.TwoHeadedGRUPolicy(SPEC, 4, 1, 0)),
        (TypeError, "head_2_output", lambda: nn.TwoHeadedGRUPolicy(SPEC, 4, 1, 1, 1, None, 3)),
        (ValueError, "shared_hidden_nonlin", lambda: nn.TwoHeadedRNNPolicy(SPEC, 4, 1, "gelu")),
        (TypeError, "recurrent_network_type", lambda: nn.RNNPolicyBase(SPEC, 4, 1)),
        (ValueError, "obs", lambda: nn.GRUPolicy(SPEC, 4, 1)(torch.zeros(4))),
        (ValueError, "obs", lambda: nn.GRUPolicy(SPEC, 4, 1)(torch.zeros(1, 2, 3))),
        (ValueError, "obs", lambda: nn.GRUPolicy(SPEC, 4, 1)(torch.tensor(1.0))),
        (ValueError, "hidden", lambda: nn.LSTMPolicy(SPEC, 4, 1)(torch.zeros(3), torch.zeros(4))),
        (ValueError, "hidden", lambda: nn.GRUPolicy(SPEC, 4, 1)(torch.zeros(3), torch.zeros(1, 4))),
        (ValueError, "init_values", lambda: nn.GRUPolicy(SPEC, 4, 1).init_param(torch.zeros(3))),
        (TypeError, "init_values", lambda: nn.GRUPolicy(SPEC, 4, 1).init_param([1.0])),
        (TypeError, "rollout", lambda: nn.GRUPolicy(SPEC, 4, 1).evaluate(STEPS())),
        (TypeError, "rollout", lambda: nn.GRUPolicy(SPEC, 4, 1).evaluate([1])),
        (ValueError, "continuous", lambda: nn.GRUPolicy(SPEC, 4, 1).evaluate(picked())),
        (ValueError, "hidden", lambda: nn.default_pack_hidden(torch.zeros(2, 1, 3), 2, 4)),
        (TypeError, "potentials_dyn_fcn", lambda: ADN("pd_linear")),
        (TypeError, "obs_layer", lambda: ADN(functional.pd_linear, 3)),
        (ValueError, "obs_layer", lambda: ADN(functional.pd_linear, WIDE)(torch.zeros(3))),
        (ValueError, "tau_init", lambda: ADN(functional.pd_linear, tau_init=0)),
        (ValueError, "kappa_init", lambda: ADN(functional.pd_cubic, kappa_init=-1)),
        (TypeError, "activation_nonlin", lambda: nn.ADNPolicy(SPEC, torch.relu, CAPACITY)),
        (ValueError, "activation_", lambda: nn.ADNPolicy(SPEC, [torch.tanh], functional.pd_linear)),
        (TypeError, "activation_", lambda: nn.ADNPolicy(SPEC, "tanh", functional.pd_linear)),
        (ValueError, "gain", lambda: nn.GRUPolicy(SPEC, 4, 1, init_param_kwargs={"gain": 2})),
        (TypeError, "bound_lo", lambda: nn.BoxSpace("a", 1)),
        (ValueError, "hidden_size", lambda: NF(1)),
        (TypeError, "hidden_size", lambda: NF(2.0)),
        (TypeError, "activation_nonlin", lambda: NF(4, None, "sigmoid")),
        (ValueError, "conv_padding_mode", lambda: NF(4, conv_padding_mode="same")),
        (ValueError, "conv_kernel_size", lambda: NF(4, conv_kernel_size=0)),
        (ValueError, "conv_kernel_size", lambda: NF(2, conv_kernel_size=7)),
        (ValueError, "conv_out_channels", lambda: NF(2, conv_out_channels=0)),
        (ValueError, "policy", lambda: headed(NF(2), 4)),
        (TypeError, "policy", lambda: headed(Counting(SPEC), 3)),
    ],
)  # fmt: skip
def test_what_is_refused(error, said, call):
    with pytest.raises(error, match=said):
        call()


def picked():
    steps = STEPS()
    steps.torch(torch.float32)
    return steps[[1, 0]]
