"""Environments: those of the compiled package, and your own written in Python.

Those of the package are built from named parameters, which `twisterl.config` describes, and share
the methods of `PyBaseEnv`. docs/environments.md shows them all.

An environment for `PyEnv` is any class with these methods. ``A`` is the number of actions,
``F`` the product of the shape of the observation.

===========================  =====================================================================
``num_actions()``            ``A``, an integer of at least 1
``obs_shape()``              one or two positive integers
``reset(difficulty)``        start an episode in a random state of this difficulty
``next(action)``             play ``action``, in ``0..A``
``masks()``                  ``A`` booleans, true where the action may be taken
``is_final()``               whether the episode is over
``value()``                  reward of being in this state, a finite number
``success()``                whether the goal is reached
``observe()``                the active features: a list or an array of distinct integers in
                             ``0..F``. Of an array ``x`` with a 0 or 1 for each feature, which is
                             refused, they are ``numpy.flatnonzero(x)``. Or all numbers: see
                             ``obs_dtype`` below
``set_state(state)``         go to ``state``, a list of integers; raise ValueError if it is none
``copy()``                   an independent copy
===========================  =====================================================================

It may also have these:

===========================  =====================================================================
``obs_dtype()``              what ``observe`` returns: "sparse", the default; "float32", an array of
                             finite numbers; or "uint8", an array of bytes, which a network takes
                             as shares of 255. Its shape is ``obs_shape()`` or ``[F]``
``obs_space()``              in place of both, where observations have several parts: a dictionary
                             or a tuple, nested too, of {"dtype": "uint8", "shape": [3, 8, 8]}.
                             ``observe`` returns the same with arrays, and lists of indices where
                             a part is "sparse"; ``F`` are the numbers of all parts
``act_space()``              what an action is, where it is not one of ``A``: {"type":
                             "multi_discrete", "nvec": [3, 2]}, of parts with so many choices,
                             ``A`` in all; or {"type": "box", "low": [-2.0], "high": [2.0]}, of
                             numbers within bounds. Spaces of gymnasium are taken too. ``next`` gets
                             an array int64 or float32; ``num_actions`` is not asked for, and
                             ``masks`` only of parts, where it is there
``twists()``                 ``(obs_perms, act_perms)``: lists of ``P`` permutations ``[F]`` and
                             ``[A]`` that leave the problem as it is
``track_solution()``         true if ``solution()`` is the answer rather than the actions played
``solution()``               list of integers
``truncated()``              true if the episode is over only because the steps are used up; without
                             it random walks must fit into an episode
``is_task()``                true if the sum of the rewards is what counts, and an episode that is
                             cut off has a future, whose value is learned from by default
``reseed(seed)``             called before each reset with a fresh number, so that a run with the
                             same seed is the same run; without it your own generator decides
``reset_uniform()``          start in a state drawn from all of them (evaluation's "uniform")
``inverse_actions()``        list ``[A]`` of the action that undoes each action, if every move
                             can be undone whatever the state (random-walk training)
``reset_goal()``             go to a solved state; random walks go on from there by ``next``
``arguments()``              the named arguments of the class that make an equal environment, as
                             JSON: what `eval` needs of runs that were made in Python
``__str__()``                the state as text, which ``twisterl solve --show`` prints
``check_solvable()``         raise ValueError if no actions solve the current state
``vectorize(num_lanes)``     the batched form below, or None
===========================  =====================================================================

``observe`` is called exactly once per decision, and the next ``next`` answers that observation,
so an environment may draw a random symmetry in ``observe`` and undo it in ``next``. Nothing is
ever replayed: a search keeps copies. No episode is stepped past its end. One that goes on for
more steps than ``max_episode_steps`` allows, of ``collecting``, of an evaluation or of a call, is
an error: docs/config.md has the default. An exception in any method ends the collection, evaluation
or solve and comes out unchanged; everything stays usable afterwards. Ctrl-C raises
KeyboardInterrupt in the methods of all threads. A thread in a call that does not return even then
is left behind with what it plays. It ends when the call returns; until then
``twisterl.twisterl.collector.num_threads_left_behind()`` counts it.

**Batched form.** Python is slow mostly because it is entered so often. If the class has
``vectorize(num_lanes)`` and it does not return None, the object it returns plays all episodes of
a worker thread at once:

``advance(lanes, kinds, values, seeds)``, ``advance(lanes, kinds, values, seeds, actions)``
    Moves lane ``lanes[i]`` for every ``i`` in ``0..B`` (each lane at most once, ``B`` at most
    ``num_lanes``): ``kinds[i]`` is 0 to reset with difficulty ``values[i]``, 1 to play action
    ``values[i]``, 2 to do nothing (the lane was just loaded), 3 to reset to a uniformly random
    state. ``seeds[i]`` is a fresh random number for a reset and 0 otherwise. ``lanes``,
    ``values`` and ``seeds`` are int64 arrays ``[B]``, ``kinds`` is int8 ``[B]``. Where
    ``act_space`` says that actions are not discrete, they come as ``actions`` ``[B, ..]``, and
    ``values`` are 0 there.
    Returns numpy arrays ``(indices, offsets, masks, rewards, finals, successes)`` and optionally
    a seventh, ``truncated``: the active features of row ``i`` are
    ``indices[offsets[i]:offsets[i + 1]]``, with ``indices [K]`` and ``offsets [B + 1]`` of
    int32 or int64, or, where ``obs_dtype`` says so, the observations ``[B, ..]`` and None, of
    several parts a dictionary of such arrays, and of pairs (indices, offsets), and None;
    ``masks [B, A]``, ``finals``, ``successes`` and ``truncated`` ``[B]`` of
    bool; ``rewards [B]`` of float32 or float64.
``load(lane, env)``
    Puts the state of ``env``, an object of the class that nobody else uses, into ``lane``.
``solution(lane)``
    Optional: the tracked solution of ``lane``, or None.

With ``num_cores`` above 1 several threads hold a batch each; a batch is never called from two
threads at a time.

``check_env`` plays an environment and lists which of these promises it breaks;
``PythonEnvironment`` is the methods of the first table for type checkers.

>>> from twisterl.envs import Puzzle
>>> env = Puzzle(3, 3, difficulty=1, depth_slope=2, max_depth=256)
>>> env.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
>>> env.step(0)
>>> env.solved()
True
"""

from typing import Any

from twisterl.envs import listed
from twisterl.envs.check import check_env
from twisterl.envs.listed import *  # noqa: F403
from twisterl.envs.protocol import PythonEnvironment
from twisterl.envs.python_env import PyEnv


def __getattr__(name: str) -> Any:
    if name == "dynamic_import":  # Programs import it from here since TwisteRL 0.5.
        from twisterl.utils import dynamic_import

        return dynamic_import
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["PyEnv", "PythonEnvironment", "check_env"]
__all__ += listed.__all__
