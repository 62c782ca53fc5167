"""Measures mctx on the 3×3 puzzle; started by sides.py, answers as worker.py does.

Gumbel search over the true transitions of the puzzle, with the reference network 512 -> 256 in
float32, whose first layer is a sum of nine rows as ours is.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import mctx
from jax_puzzle import ACTIONS, CELLS, SOLVED, TARGETS, blank, random_boards, swap
from worker import Round, serve


def parameters(key: Any) -> Any:
    keys = jax.random.split(key, 4)
    shapes = [(CELLS * CELLS, 512), (512, 256), (256, ACTIONS), (256, 1)]
    return [
        jax.random.normal(k, shape) / shape[0] ** 0.5 for k, shape in zip(keys, shapes, strict=True)
    ]


def network(weights: Any, boards: Any) -> tuple[Any, Any]:
    embedding, common, action, value = weights
    hidden = jax.nn.relu(embedding[jnp.arange(CELLS) * CELLS + boards].sum(axis=1))
    hidden = jax.nn.relu(hidden @ common)
    return hidden @ action, (hidden @ value)[:, 0]


def masked(logits: Any, boards: Any) -> Any:
    return jnp.where(TARGETS[blank(boards)] == blank(boards)[:, None], -1e9, logits)


def step(weights: Any, _: Any, action: Any, boards: Any) -> tuple[Any, Any]:
    cells = blank(boards)
    moved = swap(boards, cells, TARGETS[cells, action])
    solved = (moved == SOLVED).all(axis=1)
    logits, value = network(weights, moved)
    output = mctx.RecurrentFnOutput(
        reward=jnp.where(solved, 1.0, -0.5 / 256),
        discount=jnp.where(solved, 0.0, 1.0),
        prior_logits=masked(logits, moved),
        value=value,
    )
    return output, moved


def search(batch: int, simulations: int, moves: int) -> Round:
    """Searches of `moves` batches of uniformly random boards."""
    boards = random_boards(batch)

    @jax.jit
    def plan(weights: Any, key: Any) -> Any:
        logits, value = network(weights, boards)
        root = mctx.RootFnOutput(prior_logits=masked(logits, boards), value=value, embedding=boards)
        return mctx.gumbel_muzero_policy(weights, key, root, step, simulations).action_weights

    weights = parameters(jax.random.PRNGKey(1))

    def work() -> None:
        for move in range(moves):
            plan(weights, jax.random.PRNGKey(move)).block_until_ready()

    return work, lambda _: batch * simulations * moves


if __name__ == "__main__":
    serve({"search": search})
