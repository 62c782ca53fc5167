"""Steps of puzzles on JAX: Jumanji's sliding tiles; of pgx, which has none, 2048.

Started by sides.py in the environment of either. As JAX is used: many boards at once, compiled,
with a new episode wherever one ends.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
from worker import Round, serve

ACTIONS = 4


class Jumanji:
    """`SlidingTilePuzzle`: `step` observes, masks and rewards."""

    def __init__(self, side: int, difficulty: int) -> None:
        from jumanji.environments import SlidingTilePuzzle
        from jumanji.environments.logic.sliding_tile_puzzle.generator import RandomWalkGenerator
        from jumanji.wrappers import VmapAutoResetWrapper

        generator = RandomWalkGenerator(side, num_random_moves=difficulty)
        env = SlidingTilePuzzle(generator, time_limit=2 * difficulty)
        self.features = side**4
        self._reset, self._step = jax.vmap(env.reset), jax.vmap(env.step)
        self._step_and_reset = VmapAutoResetWrapper(env).step

    def reset(self, keys: Any) -> Any:
        return self._reset(keys)

    def step(self, both: Any, actions: Any, _: Any) -> Any:
        return self._step(both[0], actions)

    def step_and_reset(self, both: Any, actions: Any, _: Any) -> Any:
        return self._step_and_reset(both[0], actions)

    def seen(self, both: Any) -> tuple[Any, ...]:
        """Observations, masks, rewards and ends."""
        _, at = both
        seen = at.observation
        return seen.puzzle, seen.action_mask, at.reward, at.last()

    def embed(self, observations: Any, weights: Any) -> Any:
        tiles = observations.reshape(len(observations), -1)
        cells = tiles.shape[1]
        return weights[jnp.arange(cells) * cells + tiles].sum(axis=1)


class Pgx:
    """2048: the side is 4 whatever is asked."""

    def __init__(self, *_: int) -> None:
        import pgx
        from pgx.experimental import auto_reset

        env = pgx.make("2048")
        self.features = 4 * 4 * 31
        self._reset, self._step = jax.vmap(env.init), jax.vmap(env.step)
        self._step_and_reset = jax.vmap(auto_reset(env.step, env.init))

    def reset(self, keys: Any) -> Any:
        return self._reset(keys)

    def step(self, states: Any, actions: Any, keys: Any) -> Any:
        return self._step(states, actions, keys)

    def step_and_reset(self, states: Any, actions: Any, keys: Any) -> Any:
        return self._step_and_reset(states, actions, keys)

    def seen(self, states: Any) -> tuple[Any, ...]:
        """Observations, masks, rewards and ends."""
        return states.observation, states.legal_action_mask, states.rewards, states.terminated

    def embed(self, observations: Any, weights: Any) -> Any:
        return observations.reshape(len(observations), -1).astype(jnp.float32) @ weights


def steps(side: int, difficulty: int, what: str, plan: dict[str, Any]) -> Round:
    env = Jumanji(side, difficulty) if importlib.util.find_spec("jumanji") else Pgx()
    lanes, length = plan["lanes"], plan["peer_steps"]["lanes"]
    key = jax.random.PRNGKey(0)

    def keys(key: Any) -> Any:
        return jax.random.split(key, lanes)

    if what == "reset":
        reset = jax.jit(lambda key: env.reset(keys(key)))
        return lambda: jax.block_until_ready(reset(key)), lambda _: lanes

    embedding, head = (
        jax.random.normal(each, shape) / shape[0] ** 0.5
        for each, shape in zip(
            jax.random.split(key),
            [(env.features, plan["hidden"]), (plan["hidden"], ACTIONS)],
            strict=True,
        )
    )
    advance = env.step if what == "combined step" else env.step_and_reset

    def step(carry: Any, key: Any) -> Any:
        state, total = carry
        observations, masks, *_ = env.seen(state)
        if what == "policy step":
            hidden = jax.nn.relu(env.embed(observations, embedding))
            actions = jnp.where(masks, hidden @ head, -jnp.inf).argmax(axis=1)
        else:
            actions = jax.random.randint(key, (lanes,), 0, ACTIONS)
        state = advance(state, actions, keys(key))
        # All that a step tells is used, or it would not be computed.
        return (state, total + sum(each.sum() for each in env.seen(state))), None

    @jax.jit
    def play(state: Any, key: Any) -> Any:
        (_, total), _ = jax.lax.scan(step, (state, 0.0), jax.random.split(key, length))
        return total

    start = jax.jit(lambda key: env.reset(keys(key)))(key)
    return lambda: jax.block_until_ready(play(start, key)), lambda _: lanes * length


if __name__ == "__main__":
    serve({"steps": steps})
