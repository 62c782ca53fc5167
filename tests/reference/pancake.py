"""Pancake sorting in plain Python, written from specs/envs/pancake.json."""

from __future__ import annotations

from rng import Rng
from task import Cases, Task


class Pancake(Task):
    def __init__(self, num_pancakes: int = 10, burnt: bool = False, **episode: int) -> None:
        super().__init__(**episode)
        self.num_pancakes, self.burnt = num_pancakes, burnt
        self.goal(Rng(0))

    def action_names(self) -> list[str]:
        return [f"flip({k})" for k in range(1 if self.burnt else 2, self.num_pancakes + 1)]

    def obs_shape(self) -> list[int]:
        return [self.num_pancakes, self.num_pancakes * (2 if self.burnt else 1)]

    def goal(self, rng: Rng) -> None:
        self.state = [p * (2 if self.burnt else 1) for p in range(self.num_pancakes)]

    def uniform(self, rng: Rng) -> None:
        self.state = rng.shuffle(self.num_pancakes)
        if self.burnt:
            word = rng.word()
            self.state = [2 * pancake + (word >> p) % 2 for p, pancake in enumerate(self.state)]

    def act(self, action: int) -> None:
        k = action + (1 if self.burnt else 2)
        turned = reversed(self.state[:k])
        if self.burnt:
            turned = [entry - 1 if entry % 2 else entry + 1 for entry in turned]
        self.state = [*turned, *self.state[k:]]

    def solved(self) -> bool:
        return self.state == sorted(self.state) and not any(
            self.burnt and e % 2 for e in self.state
        )

    def observe(self) -> list[int]:
        return [place * self.obs_shape()[1] + entry for place, entry in enumerate(self.state)]


CASES = Cases(
    Pancake,
    [
        {"num_pancakes": num_pancakes, "burnt": burnt}
        for num_pancakes in (2, 5, 10, 32)
        for burnt in (False, True)
    ],
    [
        *(({"num_pancakes": num_pancakes}, 100) for num_pancakes in (2, 5, 7)),
        *(({"num_pancakes": num_pancakes, "burnt": True}, 100) for num_pancakes in (2, 3, 5)),
    ],
)
