"""PPO's update: the loss by its definition, and the ways that reach the same weights."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import descent, ppo, threads  # noqa: E402
from twisterl.rl.ppo import PPOBatch, from_collected  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

TWO_BY_TWO = 16  # features of the 2x2 board


@pytest.fixture(params=["torch", "rust"])
def algorithm(small, request):
    """PPO on boards that take a few moves, so that a collection has equal and unequal states."""
    torch.manual_seed(0)
    small["env"]["difficulty"] = 6
    small["algorithm"]["training"] = {"normalize_advantage": True, "num_epochs": 1}
    small["algorithm"]["engine"] = request.param
    return prepare_algorithm(small)


def collect(algorithm):
    data, _ = algorithm.collect()
    return data


def batch_of(algorithm, data):
    return algorithm.data_to_torch(data)[0]


def shifted(algorithm, amount=0.3):
    """Moves the weights, so that ratios differ from 1 and some are clipped."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in algorithm.policy.parameters():
            parameter += amount * torch.randn(parameter.shape, generator=generator)


def by_definition(algorithm, data):
    """The loss of the module's documentation, each sample computed on its own, in f64."""
    training = algorithm.config["training"]
    policy = copy.deepcopy(algorithm.policy).double()
    dense = torch.zeros(len(data.actions), TWO_BY_TWO, dtype=torch.float64)
    for row, (start, end) in enumerate(zip(data.offsets[:-1], data.offsets[1:], strict=True)):
        dense[row, data.indices[start:end]] = 1
    perms = torch.from_numpy(data.arrays.perms)
    logits, values = policy(dense, perms)
    masks = torch.from_numpy(data.masks)
    logits = torch.where(masks, logits, -torch.inf)
    distribution = torch.distributions.Categorical(logits=logits)
    old = torch.from_numpy(data.log_probs).double()
    advantages = torch.from_numpy(data.arrays.additional_data["advs"]).double()
    if training["normalize_advantage"]:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratios = (distribution.log_prob(torch.from_numpy(data.arrays.actions)) - old).exp()
    clip = training["clip_ratio"]
    clipped = ratios.clamp(1 - clip, 1 + clip)
    losses = {
        "policy": -torch.minimum(ratios * advantages, clipped * advantages).mean(),
        "value": (
            (values[:, 0] - torch.from_numpy(data.arrays.additional_data["rets"]).double()) ** 2
        ).mean(),
        "entropy": distribution.entropy().mean(),
    }
    losses["total"] = (
        losses["policy"]
        + training["vf_coef"] * losses["value"]
        - training["ent_coef"] * losses["entropy"]
    )
    gradients = torch.autograd.grad(losses["total"], list(policy.parameters()))
    return {name: loss.item() for name, loss in losses.items()}, gradients


@pytest.mark.parametrize("twisted", [False, True])
@pytest.mark.parametrize("rows_per_pass", [1, 5, 10**6])
def test_losses_and_gradients_by_definition(algorithm, monkeypatch, twisted, rows_per_pass):
    monkeypatch.setitem(descent.ROWS_PER_PASS, "cpu", rows_per_pass)
    if twisted:
        moved = [[(k + 3) % TWO_BY_TWO for k in range(TWO_BY_TWO)]]
        algorithm.policy.set_permutations(moved, [[1, 0, 2, 2]])
        algorithm.sync_rs_policy()
    data = collect(algorithm)
    assert (data.arrays.perms == (0 if twisted else -1)).all()
    assert not data.masks.all()
    shifted(algorithm)
    batch = batch_of(algorithm, data)
    assert batch.num_rows < batch.num_samples
    expected, expected_gradients = by_definition(algorithm, data)
    # A rate this small leaves the weights as they are, so that the gradients can be read.
    algorithm.config["optimizer"]["lr"] = 1e-30
    for call in (algorithm.train_step, algorithm.train):
        losses, seconds = call(batch)
        assert seconds > 0
        for name, value in expected.items():
            assert losses[name] == pytest.approx(value, abs=2e-6)  # means in f32
        assert losses["clip_fraction"] > 0 and losses["kl"] > 0
        for parameter, gradient in zip(
            algorithm.policy.parameters(), expected_gradients, strict=True
        ):
            torch.testing.assert_close(parameter.grad.double(), gradient, rtol=0, atol=2e-6)


def test_a_masked_action_gets_no_probability_and_no_gradient(algorithm):
    data = collect(algorithm)
    batch = batch_of(algorithm, data)
    bias = algorithm.policy.action[0].bias
    never = batch.illegal.clone()
    never[:] = torch.tensor([False, False, True, True])
    batch = ppo.replace(batch, illegal=never, actions=batch.actions % 2)
    terms = algorithm_losses(algorithm, batch)
    assert terms["entropy"] <= np.log(2) + 1e-6
    assert torch.equal(bias.grad[2:], torch.zeros(2)) and bias.grad[:2].any()


def algorithm_losses(algorithm, batch):
    algorithm._set_rates()
    terms = algorithm.losses(batch)
    terms[ppo.PPO.LOSSES.index("total")].backward()
    return dict(zip(ppo.PPO.LOSSES, terms.tolist(), strict=True))


def test_taking_and_splitting_lose_nothing(algorithm):
    batch = batch_of(algorithm, collect(algorithm))

    def samples(part):
        rows = [
            tuple(part.indices[part.offsets[row] : part.offsets[row + 1]].tolist())
            for row in range(part.num_rows)
        ]
        return [
            (rows[row], *(column[i].tolist() for column in (part.illegal, part.advantages)))
            for i, row in enumerate(part.rows.tolist())
        ]

    everything = samples(batch)
    chosen = torch.tensor([7, 3, 3, 0])
    taken = batch.take(chosen)
    assert samples(taken) == [everything[i] for i in chosen]
    assert taken.num_rows == len(set(batch.rows[chosen].tolist()))
    parts = batch.split(3)
    assert max(part.num_rows for part in parts) <= 3
    assert sorted(sample for part in parts for sample in samples(part)) == sorted(everything)
    assert batch.split(batch.num_rows) == [batch]


def test_arrays_are_shared_not_copied(algorithm):
    data = collect(algorithm)
    batch = from_collected(data)
    assert batch.returns.data_ptr() == data.arrays.additional_data["rets"].ctypes.data
    assert batch.actions.data_ptr() == data.arrays.actions.ctypes.data
    assert batch.rows.data_ptr() == data.distinct_index.ctypes.data


def test_lists_of_the_predecessor_give_the_same_batch(algorithm):
    data = collect(algorithm)
    old = SimpleNamespace(
        obs=[list(row) for row in data.obs],
        logits=data.logits,
        actions=data.actions,
        perms=data.perms,
        additional_data=data.additional_data,
    )
    shifted(algorithm)
    losses = algorithm_losses(algorithm, batch_of(algorithm, data))
    from_lists = algorithm_losses(algorithm, batch_of(algorithm, old))
    assert from_lists == pytest.approx(losses, abs=1e-6)
    assert from_collected(old).num_rows == from_collected(data).num_rows


def trained(algorithm, batch, iteration=0, **training):
    """Weights and losses after one iteration with these settings; the algorithm stays as it is."""
    weights = copy.deepcopy(algorithm.policy.state_dict())
    moments = copy.deepcopy(algorithm.optimizer.state_dict())
    settings = dict(algorithm.config["training"])
    algorithm.config["training"].update(training)
    algorithm.iteration = iteration
    losses, _ = algorithm.train(batch)
    after = torch.cat([p.detach().ravel().clone() for p in algorithm.policy.parameters()])
    algorithm.policy.load_state_dict(weights)
    algorithm.optimizer.load_state_dict(moments)
    algorithm.config["training"] = settings
    return after, losses


def test_minibatches_are_shuffled_by_seed_and_iteration(algorithm):
    batch = batch_of(algorithm, collect(algorithm))
    settings = {"minibatch_size": 16, "num_epochs": 2}
    first, _ = trained(algorithm, batch, **settings)
    assert torch.equal(first, trained(algorithm, batch, **settings)[0])
    assert not torch.equal(first, trained(algorithm, batch, **settings, iteration=1)[0])
    algorithm.config["seed"] = 1
    assert not torch.equal(first, trained(algorithm, batch, **settings)[0])


def test_each_sample_is_used_once_an_epoch(algorithm):
    batch = batch_of(algorithm, collect(algorithm))
    numbered = ppo.replace(batch, returns=torch.arange(batch.num_samples, dtype=torch.float32))
    minibatches = list(
        algorithm._minibatches(numbered, numbered.num_samples, 16, torch.Generator().manual_seed(0))
    )
    seen = torch.cat([part.returns for parts in minibatches for part in parts])
    assert sorted(seen.tolist()) == list(range(batch.num_samples))
    sizes = [sum(part.num_samples for part in parts) for parts in minibatches]
    assert max(sizes) <= 16 and max(sizes) - min(sizes) <= 1


def test_target_kl_refuses_further_updates(algorithm):
    batch = batch_of(algorithm, collect(algorithm))
    once, _ = trained(algorithm, batch, num_epochs=1)
    gradients = [parameter.grad.clone() for parameter in algorithm.policy.parameters()]
    stopped, losses = trained(algorithm, batch, num_epochs=10, target_kl=1e-9)
    assert torch.equal(stopped, once)
    # That of the last step that was made; torch has begun the next one.
    for parameter, gradient in zip(algorithm.policy.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient) is algorithm._uses_rust()
    assert losses["kl"] > 1e-9
    assert torch.equal(
        trained(algorithm, batch, num_epochs=3, target_kl=1e9)[0],
        trained(algorithm, batch, num_epochs=3)[0],
    )


def test_the_gradient_is_clipped(algorithm):
    batch = batch_of(algorithm, collect(algorithm))
    algorithm.config["training"]["max_grad_norm"] = 0.01
    algorithm.train_step(batch)
    norms = [parameter.grad.norm() for parameter in algorithm.policy.parameters()]
    assert torch.stack(norms).norm() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "iteration", "factor"),
    [
        ("constant", 50, 1.0),
        ("linear", 0, 1.0),
        ("linear", 50, 0.6),
        ("linear", 100, 0.2),
        ("linear", 1000, 0.2),
        ("cosine", 0, 1.0),
        ("cosine", 50, 0.6),
        ("cosine", 25, 0.2 + 0.8 * 0.5 * (1 + 0.5**0.5)),
    ],
)
@pytest.mark.parametrize("by_run_length", [False, True])
def test_rates_over_the_iterations(algorithm, kind, iteration, factor, by_run_length):
    length = None if by_run_length else 100
    algorithm.num_iterations = 100 if by_run_length else 7
    algorithm.config["training"].update(
        ent_coef=0.3,
        ent_coef_final=0.1,
        lr_schedule={"kind": kind, "num_iterations": length, "final_ratio": 0.2},
    )
    algorithm.iteration = iteration
    losses, _ = algorithm.train_step(batch_of(algorithm, collect(algorithm)))
    assert losses["lr"] == pytest.approx(0.003 * factor)
    assert algorithm.ent_coef == pytest.approx(0.3 - 0.2 * min(iteration / 100, 1))


def test_advantages_are_normalized_over_the_rollout(algorithm):
    data = collect(algorithm)
    batch = batch_of(algorithm, data)
    assert batch.advantages.mean() == pytest.approx(0, abs=1e-6)
    assert batch.advantages.std() == pytest.approx(1, rel=1e-5)
    algorithm.config["training"]["normalize_advantage"] = False
    plain = batch_of(algorithm, data).advantages
    np.testing.assert_array_equal(plain, data.arrays.additional_data["advs"])
    assert torch.equal(ppo.normalized(torch.tensor([3.0])), torch.zeros(1))


def test_threads_are_chosen_and_given_back(algorithm, monkeypatch):
    batch = batch_of(algorithm, collect(algorithm))
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="stop"), threads.torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError("stop")
    algorithm.train(batch)
    assert torch.get_num_threads() == before
    assert threads.training_threads(1) == 1
    assert 1 <= threads.training_threads(10**6) <= threads.MAX_THREADS
    algorithm.num_threads = 4
    assert algorithm._useful_threads(1) == 1
    assert algorithm._useful_threads(10**9) == 4


class DenseOnly(torch.nn.Module):
    """A user's policy that knows dense observations alone."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.obs_size = inner, inner.obs_size

    def forward(self, x, perm_indices=None):
        assert x.shape[1:] == (TWO_BY_TWO,)
        return self.inner(x, perm_indices)

    def to_rust(self):
        return self.inner.to_rust()


class OwnForward(BasicPolicy):
    """A user's subclass whose forward must not be passed over."""

    def forward(self, x, perm_indices=None):
        logits, values = super().forward(x, perm_indices)
        return logits * 2, values


def test_policies_that_read_dense_rows(algorithm):
    batch = batch_of(algorithm, collect(algorithm))
    logits, values = algorithm._outputs(batch)
    inner = algorithm.policy
    algorithm.policy = DenseOnly(inner)
    assert not descent.reads_sparse(algorithm.policy) and descent.reads_sparse(inner)
    torch.testing.assert_close(algorithm._outputs(batch), (logits, values))
    algorithm.policy = OwnForward([4, 4], 4, 16, (8,))
    algorithm.policy.load_state_dict(inner.state_dict())
    torch.testing.assert_close(algorithm._outputs(batch), (logits * 2, values))


def test_all_legal_needs_no_mask(algorithm):
    batch = batch_of(algorithm, collect(algorithm))
    unmasked = ppo.replace(batch, illegal=torch.zeros_like(batch.illegal))
    losses = algorithm_losses(algorithm, unmasked)
    assert losses == algorithm_losses(algorithm, ppo.replace(batch, illegal=None))
    assert isinstance(unmasked, PPOBatch)


@pytest.mark.parametrize("minibatch_size", [None, 256])
def test_it_learns_the_two_by_two_board(small, minibatch_size):
    """Uniform over its 12 boards, the farthest 6 moves from solved, with 12 moves to solve it."""
    small["env"].update(difficulty=12, max_depth=12)
    small["algorithm"].update(
        collecting={"num_cores": 1, "num_episodes": 64, "gamma": 0.97, "lambda": 0.95},
        training={
            "minibatch_size": minibatch_size,
            "num_epochs": 4 if minibatch_size else 10,
            "normalize_advantage": True,
            "max_grad_norm": 0.5,
        },
        optimizer={"lr": 0.01},
        evals={"ppo_1": {"num_episodes": 200, "num_cores": 1, "start": "uniform"}},
    )
    small["algorithm"]["seed"] = 1
    algorithm = prepare_algorithm(small)
    before, _ = algorithm.evaluate(algorithm.config["evals"]["ppo_1"])
    algorithm.learn(100)
    after, _ = algorithm.evaluate(algorithm.config["evals"]["ppo_1"])
    assert before[0] < 0.8
    assert after[0] == 1.0
