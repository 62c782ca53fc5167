"""Policies in torch: what they compute, save, load and hand to the engine."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy  # noqa: E402
from twisterl.nn.policy import Transpose  # noqa: E402
from twisterl.nn.sparse import sparse_linear  # noqa: E402
from twisterl.nn.utils import (  # noqa: E402
    embeddingbag_to_rust,
    make_sequential,
    sequential_to_rust,
)

OBS_SHAPE, ACTIONS = [3, 4], 5
# A rotation, and one that is no power of it.
OBS_PERMS = [[(k + 5) % 12 for k in range(12)], [11, 3, 1, 2, 0, 4, 6, 5, 7, 10, 8, 9]]
ACT_PERMS = [[1, 1, 3, 3, 0], [4, 2, 0, 1, 3]]  # the first is no bijection
KINDS = {
    "basic": (BasicPolicy, {}),
    "deep": (BasicPolicy, {"common_layers": (7, 9), "policy_layers": (6,), "value_layers": [5, 4]}),
    "shallow": (BasicPolicy, {"common_layers": ()}),
    "conv0": (Conv1dPolicy, {"conv_dim": 0}),
    "conv1": (Conv1dPolicy, {"conv_dim": 1}),
}


def make(kind, twists=True, seed=0, **arguments):
    torch.manual_seed(seed)
    cls, more = KINDS[kind]
    perms = {"obs_perms": OBS_PERMS, "act_perms": ACT_PERMS} if twists else {}
    return cls(OBS_SHAPE, ACTIONS, 24, **{**more, **perms, **arguments})


def observations(count=40, seed=1):
    """Dense rows [B, 12], the same sparse, and a twist for each; the first row is empty."""
    generator = torch.Generator().manual_seed(seed)
    dense = (torch.rand(count, 12, generator=generator) < 0.3).float()
    dense[0] = 0
    offsets = torch.zeros(count + 1, dtype=torch.int64)
    offsets[1:] = dense.sum(1).cumsum(0)
    indices = dense.nonzero()[:, 1].to(torch.int32)
    return dense, indices, offsets, torch.randint(-1, 2, (count,), generator=generator)


def one_by_one(policy, dense, twists):
    """The definition of a twist, a row at a time."""
    logits, values = [], []
    plain = copy.deepcopy(policy)
    plain.set_permutations([])
    for row, twist in zip(dense, twists.tolist(), strict=True):
        if twist >= 0:
            moved = torch.zeros_like(row)
            for k, to in enumerate(OBS_PERMS[twist]):
                moved[to] = row[k]
            row = moved
        row_logits, row_value = plain(row)
        if twist >= 0:
            row_logits = torch.stack([row_logits[:, a] for a in ACT_PERMS[twist]], dim=1)
        logits.append(row_logits)
        values.append(row_value)
    return torch.cat(logits), torch.cat(values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
def test_dense_and_sparse_agree(kind, index_type):
    policy = make(kind)
    dense, indices, offsets, twists = observations()
    expected = one_by_one(policy, dense, twists)
    assert expected[0].shape == (40, ACTIONS) and expected[1].shape == (40, 1)
    sparse = policy.forward_sparse(indices.to(index_type), offsets, twists)
    for given in (policy(dense.reshape(-1, *OBS_SHAPE), twists), policy(dense, twists), sparse):
        for got, want in zip(given, expected, strict=True):
            torch.testing.assert_close(got, want, rtol=0, atol=1e-6)  # sums of a few floats


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_gradients_equal_dense_ones(kind):
    policy = make(kind).double()
    dense, indices, offsets, twists = observations()

    def gradients(logits, values):
        policy.zero_grad()
        (logits.sin().sum() + (values**2).sum()).backward()
        return [parameter.grad.clone() for parameter in policy.parameters()]

    expected = gradients(*policy(dense.double(), twists))
    got = gradients(*policy.forward_sparse(indices, offsets, twists))
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_sparse_linear_passes_gradcheck():
    _, indices, offsets, _ = observations(count=6)
    weight = torch.randn(3, 12, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    for with_bias in (bias, None):
        assert torch.autograd.gradcheck(sparse_linear, (weight, with_bias, indices, offsets))


def test_a_feature_named_twice_counts_twice():
    weight = torch.randn(3, 12)
    out = sparse_linear(weight, None, torch.tensor([4, 4]), torch.tensor([0, 2]))
    torch.testing.assert_close(out[0], 2 * weight[:, 4])


def test_no_dense_rows_are_built():
    # As dense rows this batch would take 16 GB.
    policy = BasicPolicy([200_000], 2, 4, ())
    indices = torch.arange(20_000) * 9
    logits, values = policy.forward_sparse(indices, torch.arange(20_001))
    (logits.sum() + values.sum()).backward()
    assert logits.shape == (20_000, 2)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_plain_forward_draws_a_twist_for_each_row(sparse):
    policy = make("basic")
    row = torch.zeros(12)
    row[[0, 7]] = 1
    count = 200
    if sparse:
        given = (torch.tensor([0, 7]).repeat(count), torch.arange(count + 1) * 2)
        logits, _ = policy.forward_sparse(*given)
    else:
        logits, _ = policy(row.expand(count, -1))
    choices, _ = one_by_one(policy, row.expand(2, -1), torch.tensor([0, 1]))
    distance = (logits[:, None] - choices[None]).abs().amax(-1)
    assert (distance.amin(1) < 1e-6).all()
    # Fair: 60 to 140 of 200 fails once in 10^7 times.
    assert 60 < (distance.argmin(1) == 0).sum() < 140


def test_predict():
    policy = make("basic", twists=False)
    obs = np.zeros(OBS_SHAPE)
    obs[1, 2] = 1
    probabilities, value = policy.predict(obs)
    logits, values = policy(torch.tensor(obs, dtype=torch.float32))
    np.testing.assert_allclose(probabilities, logits.softmax(1)[0].detach(), rtol=1e-6)
    assert probabilities.shape == (ACTIONS,) and value.shape == (1,)
    assert value[0] == pytest.approx(values.item(), rel=1e-6)


def test_names_in_the_state_dict():
    keys = "embeddings common.0 common.2 action.0 action.2 value.0 value.2 value.4".split()
    expected = {f"{key}.{part}" for key in keys for part in ("weight", "bias")}
    assert set(make("deep").state_dict()) == expected
    assert make("deep").state_dict()["embeddings.weight"].shape == (24, 12)
    for dim, position in (("conv0", 0), ("conv1", 1)):
        keys = {key for key in make(dim).state_dict() if "common" not in key}
        heads = {f"{head}.0.{part}" for head in ("action", "value") for part in ("weight", "bias")}
        assert keys == {"conv_layer.weight", f"embeddings.{position}.weight", *heads}


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors_round_trip(kind, tmp_path):
    saved, loaded = make(kind, seed=1), make(kind, seed=2, twists=False)
    save_file(saved.state_dict(), tmp_path / "policy.safetensors")
    loaded.load_state_dict(load_file(tmp_path / "policy.safetensors"))
    dense, _, _, twists = observations()
    loaded.set_permutations(OBS_PERMS, ACT_PERMS)
    torch.testing.assert_close(loaded(dense, twists), saved(dense, twists), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["conv0", "conv1"])
def test_the_shared_weight_may_be_saved_once(kind):
    saved, loaded = make(kind, seed=1), make(kind, seed=2)
    names = [name for name in saved.state_dict() if name.endswith("weight")]
    pair = [name for name in names if name.startswith(("conv_layer", "embeddings"))]
    for dropped in pair:
        state = {name: value for name, value in saved.state_dict().items() if name != dropped}
        before = set(state)
        loaded.load_state_dict(state)
        assert set(state) == before
        assert torch.equal(loaded.conv_layer.weight, saved.conv_layer.weight)
    with pytest.raises(RuntimeError, match="Missing key"):
        loaded.load_state_dict({n: v for n, v in saved.state_dict().items() if n not in pair})
    state = saved.state_dict()
    state[pair[0]] = state[pair[0]] + 1
    with pytest.raises(RuntimeError, match="one weight but have different values"):
        loaded.load_state_dict(state)


def test_a_copied_conv_policy_still_shares_its_weight():
    policy = copy.deepcopy(make("conv1"))
    assert policy.conv_layer.weight is policy.embeddings[1].weight
    assert isinstance(policy.embeddings[0], Transpose)
    with torch.no_grad():
        policy.conv_layer.weight.zero_()
    save = policy.state_dict()
    assert not save["embeddings.1.weight"].any() and not save["conv_layer.weight"].any()


def test_permutations_are_checked():
    policy = make("basic")
    with pytest.raises(ValueError, match=r"act_perms: expected 2 entries"):
        policy.set_permutations(OBS_PERMS, ACT_PERMS[:1])
    with pytest.raises(ValueError, match=r"obs_perms\[1\]: expected a permutation"):
        policy.set_permutations([OBS_PERMS[0], [0] * 12])
    with pytest.raises(ValueError, match=r"act_perms\[0\]: expected 5 actions"):
        policy.set_permutations(OBS_PERMS, [[0, 1, 2, 3, 5], ACT_PERMS[1]])
    # A refused call changes nothing.
    assert policy.obs_perms == OBS_PERMS and policy.act_perms == ACT_PERMS
    policy.set_permutations(OBS_PERMS)
    assert policy.act_perms == [list(range(ACTIONS))] * 2
    assert make("basic").state_dict().keys() == make("basic", twists=False).state_dict().keys()


def test_conv_arguments_are_checked():
    with pytest.raises(ValueError, match="embedding_size: expected a multiple of 4, got 10"):
        Conv1dPolicy([3, 4], 2, 10)
    with pytest.raises(ValueError, match="obs_shape"):
        Conv1dPolicy([12], 2, 12)
    with pytest.raises(ValueError, match="conv_dim"):
        Conv1dPolicy([3, 4], 2, 12, conv_dim=2)


def test_device_follows_the_parameters():
    policy = make("basic", device="cpu")
    assert policy.device == torch.device("cpu")
    policy.device = "cpu"
    assert policy.to(torch.float64).device.type == "cpu"


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_computes_the_same(kind):
    policy = make(kind)
    _, indices, offsets, twists = observations()
    expected = policy.forward_sparse(indices, offsets, twists)
    logits, values = policy.to_rust().forward_batch(
        indices.numpy(), offsets.numpy(), twists.to(torch.int32).numpy()
    )
    for got, want in zip((logits, values), expected, strict=True):
        want = want.detach().numpy()
        np.testing.assert_allclose(got.reshape(want.shape), want, atol=1e-5)


def test_first_layers_for_the_engine():
    rest = make("shallow", twists=False)
    heads = [sequential_to_rust(module) for module in (rest.common, rest.action, rest.value)]
    linear = torch.nn.Linear(12, 24, bias=False)
    bag = torch.nn.EmbeddingBag(12, 24, mode="sum")
    with torch.no_grad():
        bag.weight.copy_(linear.weight.t())
    from twisterl import twisterl

    obs = [0, 3, 7]
    results = [
        twisterl.nn.Policy(embeddingbag_to_rust(layer, [12], 0), *heads, [], []).forward(
            obs, [True] * ACTIONS
        )
        for layer in (linear, bag)
    ]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    with pytest.raises(TypeError, match="expected Linear, EmbeddingBag or Conv1d, got ReLU"):
        embeddingbag_to_rust(torch.nn.ReLU(), [12], 0)


def test_stacks_for_the_engine():
    assert len(make_sequential(3, ())) == 0
    assert [type(layer).__name__ for layer in make_sequential(3, (4, 5), final_relu=False)] == [
        "Linear",
        "ReLU",
        "Linear",
    ]
    assert isinstance(make_sequential(3, (4,))[-1], torch.nn.ReLU)
    with pytest.raises(TypeError, match="layer 1: expected Linear or ReLU, got Tanh"):
        sequential_to_rust(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh()))
    with pytest.raises(TypeError, match="layer 0: expected a Linear before the ReLU"):
        sequential_to_rust(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(2, 2)))


class Flattened(BasicPolicy):
    def forward(self, x, perm_indices=None):
        logits, values = super().forward(x, perm_indices)
        return logits * 0, values


class Described(Flattened):
    def net_spec(self):
        return super().net_spec()


def test_a_network_that_the_engine_would_not_play_is_refused():
    sizes = {"embedding_size": 8, "common_layers": [4]}
    with pytest.raises(TypeError, match=r"Flattened has its own forward, .*net_spec"):
        Flattened([4], 2, **sizes).to_rust()
    assert Described([4], 2, **sizes).to_rust() is not None
    other = BasicPolicy([4], 2, **sizes)
    other.common[1] = torch.nn.Tanh()
    with pytest.raises(TypeError, match=r"common\.1: expected Linear, got Tanh"):
        other.to_rust()


def test_layers_without_a_bias_are_described():
    policy = BasicPolicy([4], 2, embedding_size=8, common_layers=[4])
    policy.action[0] = torch.nn.Linear(4, 2, bias=False)
    assert policy.net_spec()["action"][0]["bias"] is False
    logits, _ = policy.to_rust().forward_batch(np.array([1], np.int32), np.array([0, 1]))
    expected, _ = policy(torch.eye(4)[1:2])
    np.testing.assert_allclose(logits, expected.detach(), atol=1e-6)


def test_layer_sizes_are_those_of_the_layers():
    policy = BasicPolicy((2, 3), 4, 5, (6, 7), (8,), (9, 10))
    sizes = BasicPolicy.layer_sizes((2, 3), 4, policy.arguments())
    weights = {name: p for name, p in policy.named_parameters() if name.endswith("weight")}
    assert sorted(sizes) == sorted(tuple(weight.shape[::-1]) for weight in weights.values())
    assert sizes[0] == (6, 5)
    # A class of its own may be made from other arguments.
    assert BasicPolicy.layer_sizes((2, 3), 4, {"width": 5}) == []
