"""Judges collected episodes by the reference: what was seen, drawn, computed and returned."""

from __future__ import annotations

import port  # noqa: F401  # isort: skip  # It makes the reference importable.

from typing import Any

import network
import numpy as np
import reference
from lanes.streams import Rng

MASKED_LOGIT = np.float32(-1e10)
# Of advantages and returns, relative to the largest value or return of the episode above 1.
GAE_TOLERANCE = 1e-6
# A draw so close to a boundary that single precision may decide otherwise.
NEAR_BOUNDARY = 1e-5
FLOATS = ("logits", "log_probs", "values", "rewards", "advantages", "returns")


def judge(request: dict[str, Any], fields: dict[str, list[int]]) -> str | None:
    """The first difference of a rollout from what the reference says, None without any.

    `fields` are those of `Rollout` in Rust, flat, with floats as their bits.
    """
    data = {name: np.array(numbers) for name, numbers in fields.items()}
    for name in FLOATS:
        data[name] = data[name].astype(np.uint32).view(np.float32)
    starts = data["episode_starts"]
    num_rows = len(data["actions"])
    if starts[0] != 0 or starts[-1] != num_rows or len(starts) != request["episodes"] + 1:
        return f"episode_starts: expected {request['episodes']} episodes of {num_rows} rows"
    return seen(request, data) or advantages(request, data)


def seen(request: dict[str, Any], data: dict[str, Any]) -> str | None:
    """Replays every episode with the actions played."""
    starts, lengths = data["episode_starts"][:-1], np.diff(data["episode_starts"])
    episodes = np.arange(len(lengths))
    rng = Rng.stream(request["seed"], request["iteration"], episodes)
    lanes = reference.Lanes(request, len(episodes)).lanes
    lanes.reset(episodes, np.full(len(episodes), lanes.difficulty), rng)
    forward = network.load(request["weights"])
    data["truncated"] = np.zeros(len(episodes), bool)
    going = np.ones(len(episodes), bool)
    for step in range(int(lengths.max())):
        (which,) = np.nonzero(going)
        rows = starts[which] + step
        reward, final, _, truncated = (part[which] for part in lanes.status())
        data["truncated"][which] |= truncated
        masks, observation = lanes.masks()[which], lanes.observe()[which]
        logits, values = forward(observation)
        logits = np.where(masks, logits, MASKED_LOGIT)
        log_probs = log_softmax(logits)
        width = masks.shape[1]
        played = data["actions"][rows]
        found = (
            unequal("masks", data["masks"].reshape(-1, width)[rows], masks, which, step)
            or unequal("observation", of_rows(data, rows, observation), observation, which, step)
            or unequal("rewards", data["rewards"][rows], reward, which, step)
            or unequal("final", step + 1 == lengths[which], final, which, step)
            or apart("logits", data["logits"].reshape(-1, width)[rows], logits, which, step)
            or apart("values", data["values"][rows], values, which, step)
            or drawn(rng, which, log_probs, played, step)
            or apart(
                "log_probs",
                data["log_probs"][rows],
                log_probs[np.arange(len(rows)), played],
                which,
                step,
            )
        )
        if found:
            return found
        going[which] = ~final
        (which,) = np.nonzero(going)
        lanes.step(which, data["actions"][starts[which] + step])
    return None


def drawn(rng: Rng, which: Any, log_probs: Any, played: Any, step: int) -> str | None:
    """Whether the actions are those that the episodes' streams draw from the probabilities."""
    sums = np.exp(log_probs).cumsum(1)
    draw = rng.unit(which)[:, None].astype(np.float64)
    near = (np.abs(sums - draw) < NEAR_BOUNDARY).any(1)
    actions = (sums <= draw).sum(1).clip(max=log_probs.shape[1] - 1)
    return unequal("actions", np.where(near, actions, played), actions, which, step)


def of_rows(data: dict[str, Any], rows: Any, like: Any) -> Any:
    """The observations of `rows`, filled up with -1 as `like` is."""
    result = np.full_like(like, -1)
    for i, row in enumerate(rows):
        first, end = data["offsets"][row], data["offsets"][row + 1]
        result[i, : end - first] = data["indices"][first:end][: like.shape[1]]
    return result


def log_softmax(logits: Any) -> Any:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def advantages(request: dict[str, Any], data: dict[str, Any]) -> str | None:
    """Generalized advantage estimation by its definition: a sum over all later steps.

    `A_t = sum over k of (gamma lambda)^k delta_{t+k}`, `delta_t = r_t + gamma V_{t+1} - V_t`
    (Schulman et al. 2016, equation 16), and `R_t = A_t + V_t`, in double precision.
    """
    gamma, gae_lambda = (np.float64(np.float32(request[name])) for name in ("gamma", "lambda"))
    decay = gamma * gae_lambda
    for episode, first in enumerate(data["episode_starts"][:-1]):
        rows = slice(first, data["episode_starts"][episode + 1])
        values, rewards = (data[name][rows].astype(np.float64) for name in ("values", "rewards"))
        bootstrap = request["truncation"] == "bootstrap" and data["truncated"][episode]
        last = values[-1] if bootstrap else rewards[-1]
        deltas = np.append(rewards[:-1] + gamma * values[1:], last) - values
        weights = decay ** np.arange(len(deltas))
        wanted = np.array([weights[: len(deltas) - t] @ deltas[t:] for t in range(len(deltas))])
        for name, expected in (("advantages", wanted), ("returns", wanted + values)):
            got = data[name][rows]
            limit = GAE_TOLERANCE * max(1, np.abs(values).max(), np.abs(wanted + values).max())
            bad = np.nonzero(~(np.abs(got - expected) <= limit))[0]
            if len(bad):
                t = bad[0]
                wanted_and_got = f"expected {expected[t]:.8g}, got {got[t]:.8g}"
                return f"episode {episode}, step {t}, {name}: {wanted_and_got}"
    return None


def unequal(field: str, got: Any, expected: Any, episodes: Any, step: int) -> str | None:
    different = got != expected
    rows = np.nonzero(different.reshape(len(got), -1).any(1))[0]
    return named(field, got, expected, episodes, step, rows)


def apart(field: str, got: Any, expected: Any, episodes: Any, step: int) -> str | None:
    limit = network.TOLERANCE * np.maximum(1, np.abs(expected))
    different = ~(np.abs(got - expected) <= limit)
    rows = np.nonzero(different.reshape(len(got), -1).any(1))[0]
    return named(field, got, expected, episodes, step, rows)


def named(field: str, got: Any, expected: Any, episodes: Any, step: int, rows: Any) -> str | None:
    if not len(rows):
        return None
    row = rows[0]
    return (
        f"episode {episodes[row]}, step {step}, {field}: "
        f"expected {np.asarray(expected)[row]}, got {np.asarray(got)[row]}"
    )
