"""The 3×3 puzzle for the peers on JAX that bring no environment of their own."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

SIDE, CELLS, ACTIONS = 3, 9, 4
# The cell that the blank goes to, itself where the move is impossible: left, up, right, down.
TARGETS = jnp.array(
    [
        [
            cell - 1 if cell % SIDE > 0 else cell,
            cell - SIDE if cell >= SIDE else cell,
            cell + 1 if cell % SIDE < SIDE - 1 else cell,
            cell + SIDE if cell < CELLS - SIDE else cell,
        ]
        for cell in range(CELLS)
    ]
)
SOLVED = jnp.arange(CELLS)


def random_boards(count: int) -> Any:
    """`[count, 9]`, uniformly random, also such as cannot be solved."""
    keys = jax.random.split(jax.random.PRNGKey(0), count)
    return jax.vmap(lambda key: jax.random.permutation(key, CELLS))(keys)


def blank(boards: Any) -> Any:
    """The cell of the blank in each of `boards` `[N, 9]`: `[N]`."""
    return jnp.argmin(boards, axis=1)


def swap(boards: Any, cells: Any, targets: Any) -> Any:
    """`boards` `[N, 9]` after the blank has gone from `cells` to `targets`, both `[N]`."""
    rows = jnp.arange(len(boards))
    return boards.at[rows, cells].set(boards[rows, targets]).at[rows, targets].set(0)
