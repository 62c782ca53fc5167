"""Everything that plays, and whether what it tells is what its environment does.

A replay stands for an environment that is played again: ``begin(row)`` puts it where a first
observation was made, ``place(state)`` into a state, ``play(action, row)`` plays on, where ``row``
shows what was drawn, and ``seen()`` is ``(row, masks, reward, is_final, success)``.
"""

import contextlib
import itertools

import numpy as np
from ring import CELLS, MIRRORED, SLIPPED, DenseRing, Ring
from small_policy import collector, small_policy
from twisterl import twisterl

ROOTS = ["puct", "gumbel"]
SEARCHES = {
    "greedy": {"strategy": "greedy"},
    "sample": {"strategy": "sample", "num_searches": 5},
    "value": {"strategy": "value"},
    "beam": {"strategy": "beam", "beam_width": 4},
    "widening beam": {"strategy": "beam", "beam_width": 100, "node_limit": 800},
    **{f"mcts {root}": {"num_mcts_searches": 12, "root_selection": root} for root in ROOTS},
}


def self_play(num_cores=1, root_selection="puct", **options):
    return twisterl.collector.AZCollector(
        20, 12, 1.41, 1, num_cores, root_selection=root_selection, **options
    )


COLLECTORS = {
    "PPO": lambda cores: collector(20, cores),
    "PPO without cache": lambda cores: collector(20, cores, cache=False),
    **{
        f"AZ {root} reuse={reuse}": lambda cores, root=root, reuse=reuse: self_play(
            cores, root, reuse=reuse
        )
        for root, reuse in itertools.product(ROOTS, [True, False])
    },
}


class EnvReplay:
    """Of an environment without chance, whose state ``decode`` reads from an observation."""

    def __init__(self, env, decode):
        self.env, self.decode = env.copy(), decode

    def begin(self, row):
        self.place(self.decode(row))

    def place(self, state):
        self.env.set_state(state)

    def play(self, action, _row=None):
        self.env.step(action)

    def seen(self):
        env = self.env
        return env.observe(), env.masks(), env.reward(), env.is_final(), env.success()


class BoardReplay(EnvReplay):
    """Of a sliding puzzle of 2 x 2, with as many steps after ``set_state`` as after a reset."""

    STATES = ([1, 0, 2, 3], [1, 3, 2, 0], [3, 2, 1, 0])
    ARGUMENTS = (2, 2, 8, 2, 16)

    def __init__(self):
        env = twisterl.env.Puzzle(*self.ARGUMENTS)
        super().__init__(env, lambda row: [feature % 4 for feature in row])


class RingReplay:
    """Of a [Ring][], with the draws that were recorded."""

    STATES = ([1], [4], [5], [8])

    def __init__(self):
        self.env = Ring()

    def begin(self, row):
        cell = -row[0] % CELLS if MIRRORED in row else row[0]
        self.place([cell])
        self.env.mirrored = MIRRORED in row

    def place(self, state):
        self.env.set_state(state)

    def play(self, action, row=()):
        self.env.move(action, SLIPPED in row)
        self.env.mirrored = MIRRORED in row

    def play_log(self, log):
        for code in log:
            self.env.mirrored = bool(code & 4)
            self.env.move(code & 1, bool(code & 2))

    def seen(self):
        env = self.env
        env.is_seen = True
        return env.features(), env.masks(), env.value(), env.is_final(), env.success()


class DenseRingReplay(RingReplay):
    """Of a [DenseRing][], whose observations say the same in other numbers."""

    def __init__(self, dtype):
        super().__init__()
        self.told = DenseRing(dtype)

    def begin(self, row):
        super().begin(np.flatnonzero(row).tolist())

    def play(self, action, row=()):
        super().play(action, np.flatnonzero(row))

    def seen(self):
        row, *rest = super().seen()
        seen = np.zeros(self.told.obs_shape(), self.told.dtype)
        seen[row] = 255 if self.told.dtype == "uint8" else 1
        return seen.tolist(), *rest


def check_collection(data, replay):
    """The recorded actions give the recorded observations, masks, rewards and ends."""
    # Each is made anew when it is asked for.
    obs, legal, rewards, actions = data.obs, data.masks.tolist(), data.rewards, data.actions
    for first, end in itertools.pairwise(data.episode_starts.tolist()):
        replay.begin(obs[first])
        for t in range(first, end):
            row, masks, reward, is_final, _ = replay.seen()
            assert (obs[t], legal[t]) == (row, masks), (first, t, end)
            assert (rewards[t], t == end - 1) == (np.float32(reward), is_final)
            if not is_final:
                action = int(actions[t])
                assert masks[action]
                replay.play(action, obs[t + 1])


def check_actions(replay, state, actions, success, total):
    replay.place(state)
    _, masks, reward, is_final, solved = replay.seen()
    rewards = [reward]
    for action in actions:
        assert masks[action] and not is_final
        replay.play(action)
        _, masks, reward, is_final, solved = replay.seen()
        rewards.append(reward)
    assert success == solved and abs(total - sum(rewards)) < 1e-4


def check_log(replay, state, log, success, _total):
    """What the environment says it was played by, where chance has a say."""
    assert log[0] == state[0]
    replay.place(state)
    replay.play_log(log[1:])
    *_, solved = replay.seen()
    assert success == solved


def check_players(env, replay, states, num_cores, walk_length=None):
    """Plays ``env`` by everything; ``states`` are what evaluations start from.

    Its difficulty becomes 8 and its state one of ``states``. Without ``walk_length`` there are no
    walks.
    """
    env.difficulty = 8
    policy = small_policy(env)
    for name, make in COLLECTORS.items():
        with named(name):
            check_collection(make(num_cores).collect(env, policy), replay)
    # Older wheels do not show it, and have none here.
    tracks = getattr(env, "track_solution", lambda: False)
    check = check_log if tracks() else check_actions
    for name, options in SEARCHES.items():
        arguments = {"num_searches": 1, "num_cores": num_cores, **options}
        with named(name):
            told = twisterl.collector.evaluate_episodes(
                env, policy, states=np.array(states), actions=True, **arguments
            )
            for i, state in enumerate(states):
                found = told["actions"][i].tolist(), told["success"][i], told["reward"][i]
                check(replay, state, *found)
                env.set_state(state)
                (success, reward), actions = twisterl.collector.solve(env, policy, **arguments)
                check(replay, state, actions, success, reward)
    for root in ROOTS:
        with named(f"explore {root}"):
            env.set_state(states[0])
            assert self_play(root_selection=root).explore(env, policy)["visits"][0] == 13
    if walk_length is not None:
        with named("walks"):
            walker = twisterl.collector.WalkCollector(20, walk_length, num_cores=num_cores)
            found = walker.collect(env)
            assert found.undo_counts.sum() == found.num_samples


@contextlib.contextmanager
def named(player):
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{player}: {error}") from error
