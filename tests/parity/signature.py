"""The signature of all behaviour by the NumPy reference; specs/signature.txt has the committed one.

    python tests/parity/signature.py            prints it
    python tests/parity/signature.py --write    writes it

`cargo run --release --bin benchmark -- --signature` prints that of the Rust core.
"""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

import json
import sys
from typing import Any

import numpy as np
import play
import reference
from lanes.streams import Rng

PATH = port.ROOT / "specs" / "signature.txt"
SEED = 1
LANES, STEPS, EPISODES = 256, 128, 500
HIDDEN = 32
EPISODE = {"difficulty": 24, "depth_slope": 2, "max_depth": 40}


def main() -> int:
    if "--write" in sys.argv:
        PATH.write_text(text())
    print(text(), end="")
    return 0


def text() -> str:
    found = parts()
    total = play.joined(np.array(list(found.values())))
    return f"{total:016x}\n" + "".join(f"{digest:016x}  {name}\n" for name, digest in found.items())


def parts() -> dict[str, np.uint64]:
    words = reference.words({"seed": SEED, "lanes": LANES, "steps": STEPS})["digests"]
    found = {"streams": np.uint64(int(words[0], 16))}
    for name, parameters in environments():
        request = {"environment": name, "parameters": parameters, "seed": SEED, "uniform": True}
        shape = {"first_lane": 0, "lanes": LANES, "steps": STEPS, "block": LANES}
        digests = reference.digests({**request, **shape})["digests"]
        found[f"{name} play"] = play.joined(np.array([int(d, 16) for d in digests], np.uint64))
        found[f"{name} greedy"] = greedy(request)
    return found


def environments() -> list[tuple[str, dict[str, Any]]]:
    """Names and parameters, in the order of the list in Rust."""
    import write_golden

    found = []
    for name in write_golden.ENVIRONMENTS:
        spec = json.loads((port.ROOT / "specs" / "envs" / f"{name}.json").read_text())
        defaults = {key: declared["default"] for key, declared in spec["parameters"].items()}
        found.append((name, {**defaults, **EPISODE}))
    return found


def greedy(request: dict[str, Any]) -> np.uint64:
    """Greedy play from scrambles of a policy whose sums are exact: episode after episode."""
    lanes = reference.Lanes(request, EPISODES).lanes
    episodes = np.arange(EPISODES)
    rng = Rng.stream(SEED ^ reference.EVALUATION, 0, episodes)
    lanes.reset(episodes, np.full(EPISODES, lanes.difficulty), rng)
    forward = exact_policy(features(request["environment"], lanes), lanes.num_actions)
    words: list[list[int]] = [[] for _ in episodes]
    total = np.zeros(EPISODES, np.float32)
    going = np.ones(EPISODES, bool)
    while True:
        reward, final, success, _ = lanes.status()
        total[going] += reward[going]
        going &= ~final
        if not going.any():
            break
        (which,) = np.nonzero(going)
        logits = np.where(lanes.masks(), forward(lanes.observe()), -np.inf)
        actions = logits.argmax(1)[which]
        lanes.step(which, actions)
        for episode, action in zip(which.tolist(), actions.tolist(), strict=True):
            words[episode].append(action)
    ends = zip(words, success.tolist(), total.view(np.uint32).tolist(), strict=True)
    return play.joined(np.array([w for played, *end in ends for w in played + end], np.uint64))


def features(name: str, lanes: Any) -> int:
    import write_golden

    parameters = dict(environments())[name]
    if name == "puzzle":
        return (parameters["width"] * parameters["height"]) ** 2
    return int(np.prod(write_golden.ENVIRONMENTS[name].make(**parameters).obs_shape()))


def exact_policy(num_features: int, num_actions: int) -> Any:
    """`F -> 32 -> A` with weights that are multiples of 1/32."""
    stream = Rng([SEED])

    def weights(*shape: int) -> Any:
        count = int(np.prod(shape))
        drawn = np.concatenate([stream.below(65) for _ in range(count)])
        return ((drawn - 32) / 32).reshape(shape)

    vectors, bias = weights(num_features, HIDDEN), weights(HIDDEN)
    table = np.vstack([vectors, np.zeros(HIDDEN)])
    matrix, action_bias = weights(HIDDEN, num_actions), weights(num_actions)

    def forward(observation: Any) -> Any:
        hidden = np.maximum(table[observation].sum(1) + bias, 0)
        return hidden @ matrix + action_bias

    return forward


if __name__ == "__main__":
    sys.exit(main())
