"""The signature of all behaviour by the NumPy reference; specs/signature.txt has the committed one.

    python tests/parity/signature.py               prints it
    python tests/parity/signature.py --bindings    prints that of the Python bindings
    python tests/parity/signature.py --write       writes it

`cargo run --release --bin benchmark -- --signature` prints that of the Rust core, `mojo run
mojo/benchmark.mojo --signature` what the Mojo port has of it.
"""

from __future__ import annotations

import port  # isort: skip  # It makes the reference importable.

import argparse
import json
import sys
from collections.abc import Callable, Iterable
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write specs/signature.txt")
    parser.add_argument("--bindings", action="store_true", help="of the Python bindings instead")
    options = parser.parse_args()
    found = text(bindings_parts() if options.bindings else reference_parts())
    if options.write:
        PATH.write_text(found)
    print(found, end="")
    return 0


def text(parts: dict[str, np.uint64]) -> str:
    """The one number, that of each environment with the streams it draws from, and the parts."""
    lines = [f"{combined(parts.values()):016x}"]
    for name, _ in environments():
        own = ("streams", f"{name} play", f"{name} greedy")
        lines.append(f"{combined(parts[part] for part in own):016x}  {name}")
    lines += [f"{digest:016x}  {name}" for name, digest in parts.items()]
    return "".join(f"{line}\n" for line in lines)


def reference_parts() -> dict[str, np.uint64]:
    return parts_of(reference.digests, reference_games)


def bindings_parts() -> dict[str, np.uint64]:
    """All but the streams, which Python cannot draw from: they are the reference's."""
    import bindings

    return parts_of(bindings.digests, bindings_games)


def parts_of(digests: Callable[[Any], Any], games: Callable[[Any], Any]) -> dict[str, np.uint64]:
    words = reference.words({"seed": SEED, "lanes": LANES, "steps": STEPS})["digests"]
    found = {"streams": np.uint64(int(words[0], 16))}
    for name, parameters in environments():
        request = {"environment": name, "parameters": parameters, "seed": SEED, "uniform": True}
        request |= {"class": "".join(map(str.capitalize, name.split("_")))}
        shape = {"first_lane": 0, "lanes": LANES, "steps": STEPS, "block": LANES}
        played = digests({**request, **shape})["digests"]
        found[f"{name} play"] = combined(int(digest, 16) for digest in played)
        found[f"{name} greedy"] = games(request)
    return found


def combined(words: Iterable[Any]) -> np.uint64:
    return play.joined(np.array(list(words), np.uint64))


def environments() -> list[tuple[str, dict[str, Any]]]:
    """Names and parameters, in the order of the list in Rust."""
    import write_golden

    found = []
    for name in write_golden.ENVIRONMENTS:
        spec = json.loads((port.ROOT / "specs" / "envs" / f"{name}.json").read_text())
        defaults = {key: declared["default"] for key, declared in spec["parameters"].items()}
        found.append((name, {**defaults, **EPISODE}))
    return found


def reference_games(request: dict[str, Any]) -> np.uint64:
    """Greedy play from scrambles of a policy whose sums are exact: episode after episode."""
    lanes = reference.Lanes(request, EPISODES).lanes
    episodes = np.arange(EPISODES)
    rng = Rng.stream(SEED ^ reference.EVALUATION, 0, episodes)
    lanes.reset(episodes, np.full(EPISODES, lanes.difficulty), rng)
    layers = exact_layers(features(request["environment"], lanes), lanes.num_actions)
    (vectors, bias), (matrix, action_bias), _ = layers
    table = np.vstack([vectors, np.zeros(HIDDEN)])

    def forward(observation: Any) -> tuple[Any, None]:
        # What is filled up with -1 is the last row, of zeros.
        seen = np.zeros((len(observation), len(table)))
        np.put_along_axis(seen, observation, 1, axis=1)
        hidden = np.maximum(seen @ table + bias, 0)
        return hidden @ matrix + action_bias, None

    games = reference.Games(lanes, forward)
    return combined(
        word
        for episode, end in enumerate(games.ends().tolist())
        for word in games.actions_of(episode) + end
    )


def bindings_games(request: dict[str, Any]) -> np.uint64:
    """The same by the engine."""
    import bindings

    env, nn = bindings.make(request), bindings.engine.nn
    num_features = int(np.prod(env.obs_shape()))
    (vectors, bias), *heads = exact_layers(num_features, env.num_actions())
    first = nn.EmbeddingBag(single(vectors), single(bias), True, [num_features], 0)
    action, value = (
        nn.Sequential([nn.Linear(single(matrix).ravel(), single(bias), False)])
        for matrix, bias in heads
    )
    policy = nn.Policy(first, nn.Sequential([]), action, value, [], [])
    found = bindings.games(env, policy, EPISODES, SEED, start="reset")
    return combined(np.concatenate(bindings.words(found)))


def single(values: Any) -> Any:
    return np.ascontiguousarray(values, np.float32)


def features(name: str, lanes: Any) -> int:
    import write_golden

    parameters = dict(environments())[name]
    if name == "puzzle":
        return (parameters["width"] * parameters["height"]) ** 2
    return int(np.prod(write_golden.ENVIRONMENTS[name].make(**parameters).obs_shape()))


def exact_layers(num_features: int, num_actions: int) -> list[tuple[Any, Any]]:
    """Weights [in, out] and bias of `F -> 32 -> (A, 1)`: multiples of 1/32, no sum is rounded."""
    stream = Rng([SEED])

    def weights(*shape: int) -> Any:
        count = int(np.prod(shape))
        drawn = np.concatenate([stream.below(65) for _ in range(count)])
        return ((drawn - 32) / 32).reshape(shape)

    shapes = [(num_features, HIDDEN), (HIDDEN, num_actions), (HIDDEN, 1)]
    return [(weights(*shape), weights(shape[1])) for shape in shapes]


if __name__ == "__main__":
    sys.exit(main())
