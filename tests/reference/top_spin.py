"""TopSpin in plain Python, written from specs/envs/top_spin.json."""

from __future__ import annotations

from itertools import combinations

from rng import Rng
from task import Cases, Task


def is_odd(tokens: list[int]) -> bool:
    """Whether an odd number of pairs stands in the wrong order."""
    return sum(a > b for a, b in combinations(tokens, 2)) % 2 == 1


class TopSpin(Task):
    def __init__(self, num_tokens: int = 20, turnstile: int = 4, **episode: int) -> None:
        super().__init__(**episode)
        self.num_tokens, self.turnstile = num_tokens, turnstile
        self.goal(Rng(0))

    def action_names(self) -> list[str]:
        return ["left", "right", "flip"]

    def obs_shape(self) -> list[int]:
        return [self.num_tokens, self.num_tokens]

    def goal(self, rng: Rng) -> None:
        self.state = list(range(self.num_tokens))

    def uniform(self, rng: Rng) -> None:
        self.state = rng.shuffle(self.num_tokens)
        if self.num_tokens % 2 == 1 and self.turnstile % 4 == 0 and is_odd(self.state):
            self.state[0], self.state[1] = self.state[1], self.state[0]

    def act(self, action: int) -> None:
        tokens, k = self.state, self.turnstile
        self.state = [
            lambda: tokens[1:] + tokens[:1],
            lambda: tokens[-1:] + tokens[:-1],
            lambda: tokens[:k][::-1] + tokens[k:],
        ][action]()

    def solved(self) -> bool:
        return self.state == sorted(self.state)

    def observe(self) -> list[int]:
        return [place * self.num_tokens + token for place, token in enumerate(self.state)]


CASES = Cases(
    TopSpin,
    [
        *(
            {"num_tokens": num_tokens, "turnstile": turnstile}
            for num_tokens, turnstile in [(4, 2), (6, 4), (7, 4), (9, 4), (20, 4), (32, 30)]
        ),
    ],
    [
        ({"num_tokens": num_tokens, "turnstile": turnstile}, depth)
        for num_tokens, turnstile, depth in [(4, 2, 100), (6, 4, 100), (7, 4, 100), (20, 4, 7)]
    ],
)
