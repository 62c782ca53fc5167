"""Measures OpenES of evosax on the 3×3 puzzle; started by sides.py, answers as worker.py does.

Every generation plays the same number of episodes of the same number of steps with the network
81 -> 32 -> 4 of ours, whose first layer is a sum of nine rows, undoing the last move forbidden. The
boards of a generation are drawn beforehand.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from evosax.algorithms import Open_ES
from jax_puzzle import ACTIONS, CELLS, SOLVED, TARGETS, blank, random_boards, swap
from worker import Round, serve

HIDDEN = 32
LEFT, UP, RIGHT, DOWN = range(ACTIONS)
UNDO = jnp.array([RIGHT, DOWN, LEFT, UP])
NOTHING = ACTIONS


def first_weights() -> dict[str, Any]:
    return {
        "embedding": jnp.zeros((CELLS * CELLS, HIDDEN)),
        "embedding_bias": jnp.zeros(HIDDEN),
        "action": jnp.zeros((HIDDEN, ACTIONS)),
        "action_bias": jnp.zeros(ACTIONS),
    }


def fitness(weights: dict[str, Any], boards: Any, steps: int) -> Any:
    """To be made small: minus the mean over the episodes from `boards` [N, 9]."""

    def step(state: Any, _: Any) -> tuple[Any, None]:
        boards, blanks, undo, moves = state
        rows = jnp.arange(len(boards))
        hidden = weights["embedding"][jnp.arange(CELLS) * CELLS + boards].sum(axis=1)
        hidden = jax.nn.relu(hidden + weights["embedding_bias"])
        logits = hidden @ weights["action"] + weights["action_bias"]
        targets = TARGETS[blanks]
        illegal = (targets == blanks[:, None]) | (jnp.arange(ACTIONS) == undo[:, None])
        actions = jnp.argmax(jnp.where(illegal, -jnp.inf, logits), axis=1)
        to = targets[rows, actions]
        moved = swap(boards, blanks, to)
        solved = (boards == SOLVED).all(axis=1)
        # A solved board stays as it is, and no further move counts.
        keep = lambda old, new: jnp.where(solved.reshape(-1, *[1] * (new.ndim - 1)), old, new)  # noqa: E731
        found = (boards, moved), (blanks, to), (undo, UNDO[actions]), (moves, moves + 1)
        return tuple(keep(old, new) for old, new in found), None

    count = len(boards)
    state = boards, blank(boards), jnp.full(count, NOTHING), jnp.zeros(count)
    (boards, _, _, moves), _ = jax.lax.scan(step, state, None, length=steps)
    solved = (boards == SOLVED).all(axis=1)
    return -jnp.where(solved, 1.5 - 0.5 * moves / steps, 0.0).mean()


def generations(num_pairs: int, episodes: int, steps: int, count: int) -> Round:
    """`count` generations of `2 * num_pairs` members."""
    strategy = Open_ES(
        population_size=2 * num_pairs,
        solution=first_weights(),
        optimizer=optax.adam(0.02),
        std_schedule=optax.constant_schedule(0.05),
    )
    parameters = strategy.default_params
    boards = random_boards(episodes)

    @jax.jit
    def generation(key: Any, state: Any) -> Any:
        ask, tell = jax.random.split(key)
        population, state = strategy.ask(ask, state, parameters)
        scores = jax.vmap(lambda weights: fitness(weights, boards, steps))(population)
        state, _ = strategy.tell(tell, population, scores, state, parameters)
        return state

    def work() -> None:
        state = strategy.init(jax.random.PRNGKey(1), first_weights(), parameters)
        for number in range(count):
            state = generation(jax.random.PRNGKey(number), state)
        jax.block_until_ready(state)

    return work, lambda _: count


if __name__ == "__main__":
    serve({"es_generations": generations})
