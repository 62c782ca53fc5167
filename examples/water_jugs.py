"""An environment whose observations are numbers: measuring water with jugs.

Jugs without marks hold some litres; pouring from one into another goes on until the one is empty or
the other is full. Which pours leave the wanted amount in some jug? Run this file to train a policy
for some seconds and to measure with it:

    python examples/water_jugs.py [--steps N]

``obs_dtype`` says "float32", so that ``observe`` returns an array and not the indices of features.
"""

import argparse
from itertools import permutations

import numpy as np
from twisterl.envs import PyEnv


class WaterJugs:
    """Jugs of these ``capacities``; the first is full at the start, the others are empty.

    Action ``a`` pours from one jug into another, ``pours[a]``. An observation has how full each jug
    is and what the wanted amount would be in each. A state lists the litres in the jugs, then the
    wanted amount. ``reset`` wants an amount that takes at most ``difficulty`` pours.
    """

    def __init__(self, capacities=(12, 8, 5), max_steps=16):
        self.capacities = np.array(capacities)
        self.max_steps = max_steps
        self.pours = list(permutations(range(len(capacities)), 2))
        self.draws = np.random.default_rng()
        self.full = (int(self.capacities[0]), *[0] * (len(capacities) - 1))
        self.reachable = self._reachable()
        self.set_state([*self.full, self.full[0]])

    def _poured(self, litres, action):
        source, target = self.pours[action]
        poured = min(litres[source], self.capacities[target] - litres[target])
        changed = list(litres)
        changed[source] -= poured
        changed[target] += poured
        return tuple(map(int, changed))

    def _reachable(self):
        """Fewest pours from the start to each amount."""
        distances, layer, fewest = {self.full: 0}, [self.full], {}
        while layer:
            for litres in layer:
                for amount in litres:
                    fewest.setdefault(amount, distances[litres])
            found = [self._poured(litres, a) for litres in layer for a in range(len(self.pours))]
            depth = distances[layer[0]] + 1
            layer = [litres for litres in dict.fromkeys(found) if litres not in distances]
            distances.update(dict.fromkeys(layer, depth))
        return fewest

    def num_actions(self):
        return len(self.pours)

    def obs_shape(self):
        return [2, len(self.capacities)]

    def obs_dtype(self):
        return "float32"

    def set_state(self, state):
        *litres, wanted = map(int, state)
        if len(litres) != len(self.capacities) or sum(litres) != self.full[0]:
            raise ValueError(f"state: expected litres in all jugs and the wanted, got {state}")
        self.litres, self.wanted = tuple(litres), wanted
        self.steps_left = self.max_steps

    def reseed(self, seed):
        self.draws = np.random.default_rng(seed)

    def reset(self, difficulty):
        amounts = [amount for amount, pours in self.reachable.items() if pours <= difficulty]
        self.set_state([*self.full, self.draws.choice(amounts)])

    def next(self, action):
        self.litres = self._poured(self.litres, action)
        self.steps_left -= 1

    def masks(self):
        can = [
            bool(self.litres[source] and self.litres[target] < self.capacities[target])
            for source, target in self.pours
        ]
        return can

    def success(self):
        return self.wanted in self.litres

    def is_final(self):
        return self.success() or self.steps_left == 0

    def value(self):
        return 1.0 if self.success() else -0.5 / self.max_steps

    def observe(self):
        return (np.array([self.litres, [self.wanted] * len(self.litres)]) / self.capacities).astype(
            np.float32
        )

    def copy(self):
        twin = type(self)(self.capacities, self.max_steps)
        twin.litres, twin.wanted, twin.steps_left = self.litres, self.wanted, self.steps_left
        return twin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=25, help="training iterations")
    options = parser.parse_args()

    from twisterl.nn import BasicPolicy
    from twisterl.rl import PPO

    env = PyEnv(WaterJugs)
    env.difficulty = 1
    policy = BasicPolicy(
        env.obs_shape(),
        env.num_actions(),
        embedding_size=128,
        common_layers=[64],
        obs_dtype=env.obs_dtype(),
    )
    config = {
        "collecting": {"num_cores": 2, "num_episodes": 128, "lambda": 0.95, "gamma": 0.99},
        "training": {"num_epochs": 6, "clip_ratio": 0.2},
        "learning": {"diff_threshold": 0.9, "diff_max": 12, "diff_metric": "measured"},
        "optimizer": {"lr": 0.003},
        "evals": {"measured": {"num_episodes": 100, "deterministic": False, "num_searches": 1}},
    }
    algorithm = PPO(env, policy, config)
    algorithm.learn(options.steps)

    jugs = WaterJugs()
    for wanted, pours in jugs.reachable.items():
        jugs.set_state([*jugs.full, wanted])
        actions = algorithm.solve([*jugs.full, wanted], deterministic=False, num_searches=20)
        if actions is None:
            print(f"{wanted} litres: not measured, {pours} pours do")
            continue
        told = [str(jugs.litres)]
        for action in actions:
            jugs.next(action)
            told.append(str(jugs.litres))
        print(f"{wanted} litres in {len(actions)} pours of {pours}: {' '.join(told)}")


if __name__ == "__main__":
    main()
