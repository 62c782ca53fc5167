"""Plays an environment at random and notes what it does that none may do."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from twisterl import twisterl as _extension
from twisterl.envs.protocol import ActSpace, num_outputs, obs_dtype
from twisterl.envs.report import Report
from twisterl.envs.stand_in import has, only

# Starts of two copies, and looks at others: so many that chance does not make them all alike.
_NUM_STARTS = 32
_NUM_LOOKS = 8
# Steps of an episode of which nobody can tell whether it is over.
_BLIND_STEPS = 20
# The features of the largest environment for which a policy is made to play it.
_MOST_FEATURES = 2**20
_FAILED: Any = object()
# What Python environments call it.
_PYTHON_NAMES = {"reward": "value", "step": "next"}
_STATUS = ("value", "is_final", "success", "truncated")


class Trial:
    """Plays ``env``, which it changes, and adds the faults to ``report``."""

    def __init__(self, env: Any, report: Report, max_steps: int, draws: random.Random) -> None:
        self.env = env
        self.report = report
        self.max_steps = max_steps
        self.draws = draws
        self.num_features = int(np.prod(env.obs_shape()))
        self.acts = env.act_space()
        self.python_env = getattr(env, "python_env", None)

    def ask(self, where: str, method: str, *arguments: Any, env: Any = None, **named: Any) -> Any:
        """The answer of the environment, or of a copy; ``_FAILED`` and a fault if there is none."""
        try:
            return getattr(self.env if env is None else env, method)(*arguments, **named)
        except Exception as error:
            is_python = self.python_env is not None
            name = _PYTHON_NAMES.get(method, method) if is_python else method
            self.report.add_error(f"{name}()", where, error)
            return _FAILED

    def check_twists(self) -> None:
        for index, perm in enumerate(self.env.twists()[0]):
            if sorted(perm) != list(range(self.num_features)):
                found = f"obs_perms[{index}] is no permutation of the features"
                self.report.add("twists()", "", found)

    def play(self, seed: int) -> None:
        """One episode of random legal actions; at one of its states a copy goes on first."""
        is_reset = self.ask(f"seed {seed}", "reset", seed=seed) is not _FAILED
        copied_at = self.draws.randrange(4)
        for step in range(self.max_steps):
            where = f"seed {seed}, step {step}"
            if step == copied_at:
                self.look_at_copies(where)
            action, is_known = self.look(where)
            if action is None or not is_reset or (not is_known and step >= _BLIND_STEPS):
                return
            if step == copied_at:
                self.play_copy(action, where)
            if self.ask(where, "step", action) is _FAILED:
                return
        self.report.add("is_final()", f"seed {seed}", f"false after {self.max_steps} steps")

    def look(self, where: str) -> tuple[Any, bool]:
        """The next action, None if there is none, and whether the episode is known to go on."""
        seen = self.ask(where, "observe")
        told = [] if seen is _FAILED else _parts(seen).values()
        for features in (part for part in told if isinstance(part, list)):
            if len(set(features)) != len(features):
                self.report.add("observe()", where, "a feature twice", f" in {features}")
        masks = self.ask(where, "masks")
        status = self.status(where)
        if masks is _FAILED:
            masks = [True] * self.env.num_actions()
        action = _drawn(self.acts, masks, self.draws)
        if status is not None and status[1]:
            return None, True
        if status is not None and status[2]:
            self.report.add("is_final()", where, "false in a state that is a success")
        if action is None:
            if status is not None:
                self.report.add("masks()", where, "no legal action before the end")
            return None, True
        return action, status is not None

    def status(self, where: str, env: Any = None) -> tuple[float, bool, bool] | None:
        """Reward, end and success; None and a fault for each part that is none."""
        env = self.env if env is None else env
        try:
            return env.reward(), env.is_final(), env.success()
        except Exception as error:
            whole = error
        inner = getattr(env, "python_env", None)
        if inner is None:
            self.report.add_error("reward()", where, whole)
        for name in _STATUS:
            if has(inner, name):
                try:
                    only(inner, [name]).reward()
                except Exception as error:
                    self.report.add_error(f"{name}()", where, error)
        return None

    def play_copy(self, action: Any, where: str) -> None:
        before = self.summary()
        copy = self.ask(where, "copy")
        if copy is _FAILED or before is None:
            return
        if self.ask(where, "step", action, env=copy) is _FAILED:
            return
        self.play_on(copy, where)
        after = self.summary()
        if after is not None and after != before:
            self.report.add("copy()", where, "playing the copy changed the original")

    def play_on(self, env: Any, where: str) -> None:
        for _ in range(self.max_steps):
            observed = self.ask(where, "observe", env=env)
            masks, status = self.ask(where, "masks", env=env), self.status(where, env)
            if observed is _FAILED or masks is _FAILED or status is None or status[1]:
                return
            action = _drawn(self.acts, masks, self.draws)
            if action is None or self.ask(where, "step", action, env=env) is _FAILED:
                return

    def look_at_copies(self, where: str) -> None:
        """What all of them see, none of them sees otherwise because another has played."""
        try:
            first, *others = [_seen(self.env.copy()) for _ in range(_NUM_LOOKS)]
            self.play_on(self.env.copy(), where)
            later = [_seen(self.env.copy()) for _ in range(_NUM_LOOKS)]
        except Exception:
            return  # It is observed and copied in turn, which says what is wrong.
        if all(seen == first for seen in others) and first not in later:
            self.report.add("copy()", where, "playing the copy changed the original")

    def compare_copies(self) -> None:
        """Where no seed decides, copies that share one stream of draws play the same episodes."""
        starts: tuple[list[Any], list[Any]] = ([], [])
        where = "without reseed()"
        copies = self.ask(where, "copy"), self.ask(where, "copy")
        if _FAILED in copies:
            return
        for _ in range(_NUM_STARTS):
            for copy, seen in zip(copies, starts, strict=True):
                if self.ask(where, "reset", env=copy) is _FAILED:
                    return
                seen.append(_comparable(self.ask(where, "observe", env=copy)))
        if starts[0] == starts[1] and any(start != starts[0][0] for start in starts[0]):
            found = "two of them start the same episodes; draw anew in copy(), or have reseed(seed)"
            self.report.add("copy()", where, found)

    def summary(self) -> tuple[Any, ...] | None:
        """What can be read without side effects, if all of it can."""
        env = self.env
        try:
            return env.masks(), env.is_final(), env.success(), env.reward()
        except Exception:
            return None

    def compare(self, seed: int) -> None:
        """The same seed and the same choices, twice."""
        first, second = self.trace(seed), self.trace(seed)
        if first is None or second is None or first == second:
            return
        pairs = enumerate(zip(first, second, strict=False))
        shorter = min(len(first), len(second))
        at = next((step for step, (one, other) in pairs if one != other), shorter)
        self.report.add("reset()", f"seed {seed}, step {at}", "not the same episode twice")

    def trace(self, seed: int) -> list[Any] | None:
        env, choices = self.env, random.Random(seed)
        seen: list[Any] = []
        try:
            env.reset(seed=seed)
            for _ in range(self.max_steps):
                seen.append((_seen(env), self.summary()))
                action = _drawn(self.acts, env.masks(), choices)
                if env.is_final() or action is None:
                    break
                env.step(action)
        except Exception:
            return None  # Playing has named it.
        return seen

    def play_by_engine(self) -> None:
        """What training and evaluation ask for besides: batches, starts and solutions."""
        if self.num_features > _MOST_FEATURES:
            return
        env, collector = self.env, _extension.collector
        policy = _flat_policy(self.num_features, self.acts, obs_dtype(env))
        most = self.max_steps
        played = {
            "collecting": lambda: collector.PPOCollector(
                8, 1.0, 1.0, 1, max_episode_steps=most
            ).collect(env, policy),
            "evaluating": lambda: collector.evaluate_episodes(
                env, policy, 2, num_cores=1, max_episode_steps=most
            ),
        }
        if self.acts["type"] == "discrete":
            played["solving"] = lambda: collector.solve(env, policy, max_episode_steps=most)
        inner: Any = self.python_env
        if has(inner, "reset_uniform"):
            played["uniform starts"] = lambda: collector.evaluate_episodes(
                env, policy, 4, start="uniform", num_cores=1, max_episode_steps=most
            )
        if has(inner, "inverse_actions") and inner.inverse_actions() is not None:
            walks = collector.WalkCollector(4, 8, num_cores=1)
            played["inverse_actions()"] = lambda: walks.check(env)
            if has(inner, "reset_goal"):
                played["walking"] = lambda: walks.collect(env)
        for name, work in played.items():
            try:
                env.reset(
                    seed=0
                )  # What was played before may have been observed, and is not again.
                work()
            except Exception as error:
                self.report.add_error(name, "", error)


def _seen(env: Any) -> Any:
    return _comparable(env.observe())


def _comparable(observation: Any) -> Any:
    """Lists, where arrays are compared number by number."""
    return {
        name: part.tolist() if isinstance(part, np.ndarray) else part
        for name, part in _parts(observation).items()
    }


def _parts(observation: Any) -> dict[str, Any]:
    return observation if isinstance(observation, dict) else {"": observation}


def _drawn(space: ActSpace, masks: list[bool], draws: random.Random) -> Any:
    """An action that the masks allow, None if there is none."""
    if space["type"] == "box":
        return [draws.uniform(*bounds) for bounds in zip(space["low"], space["high"], strict=True)]
    choices, rest = [], list(masks)
    for count in space.get("nvec", [len(rest)]):
        part, rest = rest[:count], rest[count:]
        legal = [choice for choice, mask in enumerate(part) if mask]
        if not legal:
            return None
        choices.append(draws.choice(legal))
    return choices if "nvec" in space else choices[0]


def _flat_policy(num_features: int, space: ActSpace, dtype: Any) -> Any:
    """All actions alike, all states worth nothing."""
    nn = _extension.nn

    def head(num_outputs: int) -> Any:
        zeros = np.zeros(num_outputs, np.float32)
        return nn.Sequential([nn.Linear(zeros, zeros, False)])

    said = {
        "discrete": lambda: None,
        "multi_discrete": lambda: {"head": "product", "nvec": space["nvec"]},
        "box": lambda: {"head": "normal", "log_std": [0.0] * len(space["low"]), "squash": False},
    }[space["type"]]()
    if not isinstance(dtype, str):
        return _flat_policy_of_parts(num_features, num_outputs(space), dtype, said)
    first: Any
    if dtype == "sparse":
        first = nn.EmbeddingBag(np.zeros((num_features, 1)), np.zeros(1), True, [num_features], 0)
    else:
        first = dtype, nn.Linear(np.zeros(num_features), np.zeros(1), True)
    outputs = head(num_outputs(space))
    distribution = None if said is None else json.dumps(said)
    return nn.Policy(first, nn.Sequential([]), outputs, head(1), [], [], distribution)


def _flat_policy_of_parts(num_features: int, outputs: int, parts: Any, head: Any) -> Any:
    from twisterl.nn.parts import reading

    layers = {"embeddings": (num_features, 1), "action": (1, outputs), "value": (1, 1)}
    tensors: dict[str, Any] = {}
    blocks = {}
    for name, (inputs, out) in layers.items():
        blocks[name] = {"block": "linear", "name": name, "inputs": inputs, "out": out}
        tensors[f"{name}.weight"] = np.zeros((out, inputs), np.float32)
        tensors[f"{name}.bias"] = np.zeros(out, np.float32)
    spec: dict[str, Any] = {"encoder": [reading(num_features, parts), blocks["embeddings"]]}
    spec |= {name: [blocks[name]] for name in ("action", "value")}
    if head is not None and head["head"] == "normal":
        tensors["log_std"] = np.zeros(outputs, np.float32)
        head = {"head": "normal", "name": "log_std", "dim": outputs, "squash": False}
    spec |= {} if head is None else {"head": head}
    return _extension.nn.Policy.from_spec(json.dumps(spec), tensors, [], [])
