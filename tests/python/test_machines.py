"""Several workers have the bytes that one process has: any split, any order, whoever is lost."""

import collections
import contextlib
import functools
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("torch")

from python_envs import Line
from torch_nets import Gated
from trainings import MODULE, trained
from twisterl import cli, envs
from twisterl.faults import ConfigError
from twisterl.machines import crew, files, job, processes, wire
from twisterl.machines.coordinator import Coordinator
from twisterl.machines.crew import Crew
from twisterl.machines.transport import Answer, InProcess, Range
from twisterl.nn import BasicPolicy
from twisterl.rl import PPO
from twisterl.twisterl import collector
from twisterl.utils import prepare_algorithm

WORKERS = {"backend": "local", "address": None, "num_workers": 2, "num_cores": 1, "timeout_s": 10.0}
COLLECTING = {
    "PPO": {"num_episodes": 29},
    "AZ": {"num_episodes": 9, "num_mcts_searches": 8},
    "RandomWalk": {"num_walks": 40, "walk_length": 12},
    "ES": {"num_pairs": 5, "num_episodes": 4},
}
COLUMNS = ("indices offsets logits masks log_probs values rewards actions perms states").split()
JUDGED = {"num_episodes": 23, "deterministic": False, "num_searches": 3, "num_cores": 1}


def judged(name):
    """ES plays greedily."""
    return JUDGED if name != "ES" else {"num_episodes": 23, "num_cores": 1}


def config(name, embedding_size=32, **collecting):
    layers = [] if name == "ES" else [16]
    training = {"num_generations": 2} if name == "ES" else {"num_epochs": 1}
    return {
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 3, "difficulty": 6, "depth_slope": 2, "max_depth": 24},
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": embedding_size, "common_layers": layers},
        "algorithm_cls": name,
        "algorithm": {
            "seed": 3,
            "collecting": {**COLLECTING[name], **collecting},
            "training": training,
            "evals": {"judged": judged(name)},
            "learning": {"diff_metric": "judged", "diff_threshold": 0.1},
        },
    }


def contents(data):
    """All bytes of what was collected."""
    if hasattr(data, "found"):
        return {name: values.tobytes() for name, values in data.found.items()}
    if hasattr(data, "sum_moves"):
        names = "indices offsets masks undo_counts undo_shares mean_moves sum_moves".split()
        return {"n": data.num_samples, **{name: getattr(data, name).tobytes() for name in names}}
    arrays = data.arrays
    found = {name: getattr(arrays, name) for name in [*COLUMNS, "episode_starts"]}
    found |= arrays.additional_data
    found |= {"distinct": data.distinct_rows, "index": data.distinct_index}
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in found.items()}


class Shuffled(InProcess):
    """Workers that answer in any order."""

    def __init__(self, num_workers):
        super().__init__(num_workers)
        self._random = random.Random(num_workers)

    def wait(self, seconds):
        self._random.shuffle(self._asked)
        return super().wait(seconds)


def with_crew(algorithm, num_workers, transport=None):
    algorithm._crew = Crew(
        {**WORKERS, "num_workers": num_workers}, transport or Shuffled(num_workers)
    )
    return algorithm


@pytest.mark.parametrize(
    ("name", "embedding_size"), [("PPO", 32), ("AZ", 32), ("RandomWalk", 32), ("ES", 32), ("ES", 8)]
)
def test_workers_have_the_bytes_of_one_process(name, embedding_size):
    algorithm = prepare_algorithm(config(name, embedding_size))
    whole = contents(algorithm.collect()[0])
    found = algorithm.evaluate(judged(name))[0]
    for num_workers in (1, 2, 3):
        with_crew(algorithm, num_workers)
        assert contents(algorithm.collect()[0]) == whole
        again = algorithm.evaluate(judged(name))[0]
        assert (again, again.mean_length) == (found, found.mean_length)
    counts = algorithm._crew.coordinator.counts()
    assert counts["lost"] == 0
    assert counts["ranges"] >= 9
    # What follows from equal bytes: the same run.
    alone = prepare_algorithm(config(name, embedding_size))
    for each in (alone, algorithm):
        each.learn(2)
    for own, other in zip(alone.policy.parameters(), algorithm.policy.parameters(), strict=True):
        assert own.detach().numpy().tobytes() == other.detach().numpy().tobytes()
    assert alone.difficulty == algorithm.difficulty > 6


MEMORY = {"policy_cls": "RecurrentActorCritic", "policy": {"core": "lstm", "hidden_size": 8}}
PARTS = {"env_cls": "PyEnv", "env": {"pyenv_cls": "test_dicts.Views"}}
GATED = {"policy_cls": "torch_nets.Gated", "policy": {"width": 16}}
ADN = {"policy_cls": "ADNPolicy"}
ADN["policy"] = {"activation_nonlin": "tanh", "potentials_dyn_fcn": "pd_cubic"}
OTHERS = {
    "memory": config("PPO") | {"env_cls": "TMaze", "env": {"length": 4}} | MEMORY,
    "parts": config("PPO", num_episodes=9) | PARTS,
    "searched parts": config("AZ", num_episodes=5) | PARTS,
    "commuting": config("RandomWalk", commuting=True)
    | {"env_cls": "LightsOut", "env": {"width": 3, "height": 3}},
    "torch plays": config("PPO", num_episodes=40) | GATED,
    "torch searches": config("AZ", num_episodes=5, num_mcts_searches=4) | GATED,
    "torch remembers": config("PPO") | {"env_cls": "TMaze", "env": {"length": 4}} | ADN,
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_players_and_walks_have_the_same_bytes(name):
    algorithm = prepare_algorithm(OTHERS[name])
    whole = contents(algorithm.collect()[0])
    assert contents(with_crew(algorithm, 2).collect()[0]) == whole
    assert algorithm._crew.coordinator.counts()["ranges"] > 2


@pytest.mark.parametrize("name", ["PPO", "AZ", "RandomWalk"])
def test_any_split_is_the_whole(name):
    algorithm = prepare_algorithm(config(name))
    algorithm.env.difficulty = 4
    whole = contents(algorithm.collect()[0])
    of = crew.walks(algorithm) if name == "RandomWalk" else crew.episodes(algorithm, "reset")
    drawn = random.Random(1)
    for _ in range(4):
        cuts = [0, *sorted(drawn.sample(range(1, of.total), 4)), of.total]
        split = [Range(first, end - first) for first, end in itertools.pairwise(cuts)]
        coordinator = Coordinator(Shuffled(2), 2)
        assert contents(coordinator.compute(of, split)) == whole


def test_boards_of_a_beam_search_are_cut_like_episodes():
    algorithm = with_crew(prepare_algorithm(config("PPO")), 3)
    states = np.array([algorithm.env.random_state(seed) for seed in range(7)])
    for play in ({"strategy": "beam", "beam_width": 4}, {"num_searches": 2}):
        asked = {"states": states, "actions": True, "seed": 5, **play}
        whole = collector.evaluate_episodes(algorithm.env, algorithm.rs_pol, **asked)
        found = algorithm._crew.boards(algorithm, **asked)
        for column in ("success", "reward", "length", "nodes"):
            assert found[column].tobytes() == whole[column].tobytes()
        assert [a.tolist() for a in found["actions"]] == [a.tolist() for a in whole["actions"]]


def test_an_evaluation_by_workers_says_the_same(tmp_path, monkeypatch, capfd):
    path, run = tmp_path / "config.json", tmp_path / "run"
    path.write_text(json.dumps(config("PPO")))
    trained(path, run, num_steps=1)
    transports = []
    monkeypatch.setattr(
        crew, "transport_of", lambda workers: transports.append(Shuffled(2)) or transports[-1]
    )
    words = [
        "eval", str(run), "--num_episodes", "9", "--strategy", "beam,sample", "--beam_width", "4",
        "--json",
    ]  # fmt: skip
    told = []
    for more in ([], ["--workers", "2"]):
        assert cli.main([*words, *more]) == 0
        told.append(json.loads(capfd.readouterr().out))
        for report in told[-1]:
            del report["seconds"]
    assert told[0] == told[1]
    assert len(transports) == 1 and not transports[0].num_workers()
    for more, problem in (
        (["--workers", "0"], "workers.num_workers"),
        (["--address", "a:1"], "not ray"),
    ):
        assert cli.main([*words, *more]) == 2
        error = capfd.readouterr().err
        assert problem in error and error.count("\n") == 1


def ppo(env):
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 8, [])
    return PPO(env, policy, {"collecting": {"num_episodes": 12}, "evals": {}})


class ToldLine(Line):
    def arguments(self):
        return {"size": self.size}


class Failing(ToldLine):
    def next(self, action):
        raise RuntimeError("no ice\nleft")


class Untold(Line):
    def __init__(self, size, secret):
        super().__init__(size)


def test_environments_in_python_are_sent_by_their_class(tmp_path):
    algorithm = ppo(envs.PyEnv(ToldLine, size=7))
    whole = contents(algorithm.collect()[0])
    assert contents(with_crew(algorithm, 2).collect()[0]) == whole
    with pytest.raises(RuntimeError, match=r"worker \d: RuntimeError: no ice left"):
        with_crew(ppo(envs.PyEnv(Failing, size=7)), 2).collect()
    untold = with_crew(ppo(envs.PyEnv(Untold, size=7, secret=object())), 2)
    with pytest.raises(ConfigError, match="env: cannot be sent to workers") as refused:
        untold._crew.start(untold)
    assert "\n" not in str(refused.value)
    # A job in a file is no word for the classes that it names.
    path = tmp_path / "job.bin"
    files.write_job(crew.episodes(algorithm, "reset"), path)
    with pytest.raises(ConfigError, match="config from elsewhere"):
        files.compute(path, tmp_path / "part.bin", 0, 1, trust=False)
    assert not (tmp_path / "part.bin").exists()


class Mixing(Gated):
    """An observation's outputs depend on the others of its batch."""

    def forward(self, x):
        return super().forward(x - x.mean(0))


class Sharp(Gated):
    """Has a number that no state dict holds."""

    sharpness = 1.0

    def forward(self, x):
        logits, value = super().forward(x)
        return self.sharpness * logits, value


def test_what_torch_plays_is_sent_or_refused_by_name():
    env = prepare_algorithm(config("PPO")).env

    def started(module):
        algorithm = with_crew(PPO(env, module, {"evals": {}}), 2)
        algorithm._crew.start(algorithm)

    class Inner(Gated):
        pass

    started(Sharp([9, 9], 4, 16))
    sharper = Sharp([9, 9], 4, 16)
    sharper.sharpness = 2.0
    for module, problem in (
        (Mixing([9, 9], 4, 16), "gives an observation other bits among 32 than among 256"),
        (sharper, "what a worker makes of its class and arguments computes something else"),
        (Inner([9, 9], 4, 16), "Inner is defined inside another scope"),
    ):
        with pytest.raises(ConfigError, match=problem) as refused:
            started(module)
        assert "policy: cannot be sent to workers" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_parts_hold_distinct_rows_and_nothing_twice():
    columns = {
        "rows": np.repeat(np.arange(6, dtype=np.float32).reshape(2, 3), 50, 0),
        "flags": np.repeat(np.array([[True, False, True]]), 100, 0),
        "all": np.arange(100, dtype=np.float32),
    }
    small = wire.compact(columns)
    assert [len(small[name]) for name in columns] == [2, 1, 100]
    types = {name: values.dtype for name, values in columns.items()}
    _, back = wire.unpack(wire.pack({}, small), "part")
    again = wire.whole(back, types)
    assert all(again[name].tobytes() == columns[name].tobytes() for name in columns)
    for change in ({"rows.row_of": np.array([2], np.uint8)}, {"rows.row_of": np.array([-1])}):
        with pytest.raises(wire.WireError):
            wire.whole({**small, **change}, types)
    packed = wire.pack({"a": 1}, small)
    for spoilt in (packed[:-1], packed[:200] + b"?" + packed[201:], b"", b"\x80\x04K\x01."):
        with pytest.raises(wire.WireError):
            wire.unpack(spoilt, "part")


def test_other_bits_are_refused(tmp_path):
    algorithm = prepare_algorithm(config("PPO"))
    of = crew.episodes(algorithm, "reset")
    for field, value in (("rounding", "plain"), ("version", "0.0.1")):
        other = job.Job(**{**vars(of), field: value})
        if field == "rounding" and of.rounding == "plain":
            continue
        with pytest.raises(ConfigError, match=r"expected equal|bits would differ"):
            Coordinator(InProcess(1), 1).compute(other)


class Flaky(InProcess):
    """Loses a worker with every second range, and tells some parts twice and late."""

    def __init__(self, num_workers):
        super().__init__(num_workers)
        self._count = 0
        self._late = []

    def wait(self, seconds):
        self._count += 1
        if self._count % 2 and self._asked:
            worker = self._asked[0][0]
            self.drop(worker, "")
            return [Answer(worker, None, why="test")]
        answers = super().wait(seconds)
        again, self._late = self._late, answers
        return [*again, *answers]


class Lost(Flaky):
    """Loses every worker."""

    def wait(self, seconds):
        self._count = 0
        return super().wait(seconds)


def test_lost_ranges_are_asked_again_and_doubles_dropped():
    alone, algorithm = (prepare_algorithm(config("PPO")) for _ in range(2))
    with_crew(algorithm, 3, Flaky(3))
    for iteration in range(3):
        alone.iteration = algorithm.iteration = iteration
        assert contents(algorithm.collect()[0]) == contents(alone.collect()[0])
    assert algorithm._crew.coordinator.counts()["lost"] >= 9

    with pytest.raises(RuntimeError, match="workers were lost in a row: test"):
        with_crew(algorithm, 1, Lost(1)).collect()


class Silent(InProcess):
    """Its first worker never answers."""

    def wait(self, seconds):
        self._asked = type(self._asked)(asked for asked in self._asked if asked[0] != 0)
        return super().wait(seconds)

    def loads(self):
        return {worker: self._owed[worker] or load for worker, load in super().loads().items()}

    @functools.cached_property
    def _owed(self):
        return collections.Counter()

    def ask(self, worker, packed, part):
        self._owed[worker] += worker == 0
        super().ask(worker, packed, part)


def test_a_slow_worker_costs_a_range_and_one_that_hangs_is_replaced():
    algorithm = prepare_algorithm(config("PPO"))
    whole = contents(algorithm.collect()[0])
    with_crew(algorithm, 2, Silent(2))
    assert contents(algorithm.collect()[0]) == whole
    counts = algorithm._crew.coordinator.counts()
    # That which it had, and the one that it was to begin then.
    assert (counts["repeated"], counts["lost"]) == (2, 0)
    hanging = Coordinator(Silent(1), 1, timeout_s=1.0)
    assert contents(hanging.compute(crew.episodes(algorithm, "reset"))) == whole
    assert hanging.counts()["lost"] == 2


class Deaf(InProcess):
    """Workers that are never there again once they were asked."""

    def loads(self):
        return {0: 2}


def test_nothing_hangs_for_longer_than_the_time_out():
    job = crew.episodes(prepare_algorithm(config("PPO")), "reset")
    with pytest.raises(RuntimeError, match=r"no part for 0\.1 s; .*workers\.timeout_s is 0\.05"):
        Coordinator(Deaf(1), 1, timeout_s=0.05).compute(job)
    with pytest.raises(RuntimeError, match=r"no worker for 0\.05 s"):
        Coordinator(InProcess(0), 1, timeout_s=0.05).compute(job)


class Forked:
    """A worker of this test's own image: starting Python anew a hundred times takes a minute."""

    def __init__(self, num_cores, trust):
        (their_in, our_out), (our_in, their_out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            with contextlib.suppress(BaseException):
                os.dup2(their_in, 0)
                os.dup2(their_out, 1)
                os.closerange(3, 256)
                sys.stdin = os.fdopen(0)
                processes.serve(num_cores, trust)
            os._exit(1)
        os.close(their_in)
        os.close(their_out)
        self.stdin, self.stdout = os.fdopen(our_out, "wb"), os.fdopen(our_in, "rb")
        self._status, self._waited = None, threading.Lock()

    def wait(self):
        with self._waited:
            if self._status is None:
                self._status = os.waitpid(self.pid, 0)[1]
            return self._status

    def kill(self):
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@needs_fork
def test_a_hundred_killed_workers_change_no_byte(monkeypatch):
    monkeypatch.setattr(processes, "launched", Forked)
    kinds = [prepare_algorithm(config(name)) for name in COLLECTING]

    def played(algorithm):
        name = type(algorithm).__name__
        return contents(algorithm.collect()[0]), algorithm.evaluate(judged(name))[0]

    wholes = [played(algorithm) for algorithm in kinds]
    transport = processes.Processes(3)
    drawn, killed = random.Random(7), 0
    asked = transport.ask

    def ask(worker, packed, part):
        nonlocal killed
        asked(worker, packed, part)
        if drawn.random() < 0.3:
            transport.workers[worker].process.kill()
            killed += 1

    transport.ask = ask
    of_all = with_crew(kinds[0], 3, transport)._crew
    lost = 0
    for algorithm, whole in itertools.cycle(zip(kinds, wholes, strict=True)):
        if killed >= 100:
            break
        algorithm._crew = of_all
        assert played(algorithm) == whole
        lost += of_all.coordinator.counts()["lost"]
    assert lost >= 30  # The others had answered, or were killed between two ranges.
    of_all.coordinator.end()


@needs_fork
def test_a_worker_that_stands_still_is_replaced(monkeypatch):
    monkeypatch.setattr(processes, "launched", Forked)
    algorithm = prepare_algorithm(config("PPO", embedding_size=2048))
    whole = contents(algorithm.collect()[0])
    transport = processes.Processes(1)
    coordinator = Coordinator(transport, 1, timeout_s=2.0)
    coordinator.start()
    # What it is sent, weights and all, is more than a pipe holds.
    (worker,) = transport.workers.values()
    os.kill(worker.process.pid, signal.SIGSTOP)
    assert contents(coordinator.compute(crew.episodes(algorithm, "reset"))) == whole
    # That which it had, and the next one.
    assert coordinator.counts()["lost"] == 2
    coordinator.end()


@needs_fork
def test_processes_serve_and_a_killed_coordinator_resumes(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config("PPO")))
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    two = [("algorithm.collecting.workers.num_workers", 2)]
    often = ("algorithm.logging.checkpoint_freq", 1)
    trained(path, alone, num_steps=4, overrides=[often])
    words = [
        "--run_path",
        str(killed),
        "--num_steps",
        "4",
        "--workers",
        "2",
        "=".join(map(str, often)),
    ]
    command = [*MODULE, "--config", str(path), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        child.stdout.readline()
        child.kill()
    assert "workers, 16 ranges" in first
    monkeypatch.setattr(processes, "launched", Forked)
    trained(path, killed, resume=True, num_steps=4, overrides=[*two, often])
    last = [(run / "checkpoint_last.safetensors").read_bytes() for run in (alone, killed)]
    assert last[0] == last[1]
    told = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in told] == [0, 1, 2, 3]
    assert all(line["workers"]["ranges"] > 0 for line in told)


def test_any_batch_system_runs_ranges_as_processes(tmp_path):
    algorithm = prepare_algorithm(config("AZ"))
    path = tmp_path / "job.bin"
    files.write_job(crew.episodes(algorithm, "reset"), path)
    command = [sys.executable, "-m", "twisterl.worker", "--job", str(path)]
    children = []
    for first in (4, 0):
        part = str(tmp_path / f"part{first}.bin")
        words = ["--first", str(first), *(["--count", "4"] if not first else []), "--out", part]
        children.append(subprocess.Popen([*command, *words]))
    assert [child.wait() for child in children] == [0, 0]
    parts = sorted(tmp_path.glob("part*.bin"), reverse=True)
    assert contents(files.merge(path, parts)) == contents(algorithm.collect()[0])
    with pytest.raises(ConfigError, match="none begins at 4"):
        files.merge(path, [tmp_path / "part0.bin"])
    from twisterl import worker

    (tmp_path / "none.bin").write_bytes(b"\x80\x04K\x01.")
    out = tmp_path / "out.bin"
    for words in (["--first", "9"], ["--count", "99"], ["--job", str(tmp_path / "none.bin")]):
        assert worker.main(["--job", str(path), "--out", str(out), *words]) == 2
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--workers", "0"], "algorithm.collecting.workers.num_workers"),
        (["--workers", "2", "--address", "a:1"], "expected null, for backend is not ray"),
    ],
)
def test_bad_settings_are_one_line_before_work(tmp_path, capfd, words, problem):
    path, run = tmp_path / "config.json", tmp_path / "run"
    path.write_text(json.dumps(config("PPO")))
    assert cli.main(["train", "--config", str(path), "--run_path", str(run), *words]) == 2
    assert problem in capfd.readouterr().err
    assert not run.exists()


def test_work_that_fails_on_a_worker_is_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(crew, "transport_of", lambda workers: Lost(1))
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config("PPO")))
    words = ["--config", str(path), "--run_path", str(tmp_path / "run"), "--workers", "1"]
    assert cli.main(["train", *words]) == 1
    assert capfd.readouterr().err == "error: 13 workers were lost in a row: test\n"


def sweep_words(tmp_path, *words):
    path = tmp_path / "config.json"
    if not path.exists():
        path.write_text(json.dumps(config("PPO")))
    return [*words, "--config", str(path), "--run_path", str(tmp_path / "runs")]


def test_a_sweep_is_runs_of_their_own(tmp_path, capfd):
    listed = tmp_path / "listed.json"
    listed.write_text('[{"algorithm.training.num_epochs": 2}]')
    words = sweep_words(tmp_path, "sweep", "--num_steps", "1", "--list", str(listed))
    assert cli.main([*words, "--seed", "4", "algorithm.optimizer.lr=1e-3"]) == 0
    told = capfd.readouterr().out
    assert "1 of 1 trainings" in told and "done: 1 iterations" in told
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name == "num_epochs=2,lr=0.001,seed=4"
    pairs = [("algorithm.training.num_epochs", 2), ("algorithm.optimizer.lr", 1e-3)]
    alone = tmp_path / "alone"
    trained(tmp_path / "config.json", alone, num_steps=1, seed=4, overrides=pairs)
    weights = [each / "checkpoint_last.safetensors" for each in (alone, run)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_what_is_long_has_a_folder_that_file_systems_take(tmp_path):
    from twisterl.machines import runs

    key = "policy.common_layers"
    long = [[(key, [8] * 200)], [(key, [8] * 201)], [(key, ["é" * 300])], [(key, [8])]]
    names = [each.name for each in runs.planned(long, [7])]
    assert len({*names}) == 4 and names[3] == "common_layers=_8_,seed=7"
    for name in names:
        assert name.startswith("common_layers=_") and name.endswith(",seed=7")
        (tmp_path / name).mkdir()
    assert names == [each.name for each in runs.planned(long, [7])]


def test_a_sweep_is_kept_unless_it_is_told_otherwise(tmp_path, capfd):
    words = sweep_words(tmp_path, "sweep", "--num_steps", "1")
    assert cli.main(words) == 0
    written = tmp_path / "runs" / "seed=0" / "metrics.jsonl"
    os.utime(written, (1000, 1000))
    assert cli.main(words) == 2
    # What it says can be done.
    assert "already holds a run; --resume continues it, --overwrite" in capfd.readouterr().err
    assert written.stat().st_mtime == 1000
    for option in ("--overwrite", "--rerun"):
        os.utime(written, (1000, 1000))
        assert cli.main([*words, option]) == 0
        assert "1 of 1 trainings" in capfd.readouterr().out
        assert written.stat().st_mtime > 1000


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["sweep", "algorithm.optimizer.lr=1e-3,-1"], "algorithm.optimizer.lr"),
        (["sweep", "algorithm.optimizer.lr"], "expected key.path=value,value"),
        (["sweep", "algorithm.evals={},{}"], "two trainings would be evals=_,seed=0"),
        (["sweep", "env.width=3,3"], "two trainings would be width=3,seed=0"),
        (["sweep", "--num_steps", "-1"], "--num_steps: got -1; expected a count of iterations"),
        (["sweep", "--seeds", "0"], "--seeds: got 0; expected a number from 1 on"),
        (["sweep", "--workers", "0"], "--workers: got 0; expected a number from 1 on"),
        (["train", "--seeds", "0"], "--seeds: got 0; expected a number from 1 on"),
        (["train", "--seeds", "2", "--workers", "0"], "--workers: got 0; expected a number"),
        (["train", "--seeds", "1000000000"], "expected at most 10000 trainings"),
        (["sweep", "--seeds", "5001", "algorithm.optimizer.lr=1e-3,1e-4"],
         "--seeds: got 5001 of 2 combinations; expected at most 10000 trainings"),
        (["sweep", "--address", "1.2.3.4:5"], "--address: got '1.2.3.4:5'; expected none without"),
        (["sweep", "algorithm.seed=1,2"], "algorithm.seed: is of --seed and --seeds"),
        (["sweep", 'algorithm={"seed":1}'], "algorithm.seed: is of --seed and --seeds"),
        (["train", "--seeds", "2", "algorithm.seed=1"], "algorithm.seed: is of --seed and --seeds"),
        (["train", "--seeds", "2", "--dry-run"], "--dry-run: is of one training"),
        (["train", "--seeds", "2", "--save-signal", "NIX"], "--save-signal: "),
        (["train", "--seeds", "2", "--load_checkpoint_path", "none.pt"], "none.pt: no such file"),
        (["train", "--seeds", "2", "--time-budget", "-1"], "time_budget_s: got -1"),
    ],
)  # fmt: skip
def test_a_wrong_sweep_starts_nothing(tmp_path, capfd, words, problem):
    assert cli.main(sweep_words(tmp_path, *words)) == 2
    told = capfd.readouterr().err
    assert problem in told and told.count("\n") <= 2
    assert not (tmp_path / "runs").exists()


def test_an_ended_sweep_does_not_wait_for_its_trainings():
    from twisterl.machines import runs

    second, ended = threading.Event(), threading.Event()
    begun, over = [], []

    def run_one(words):
        begun.append(words)
        if words != ["a"]:
            second.set()
            ended.wait(2)
            over.append(words)
        return 0, ""

    told = runs.run_all([(word, [word]) for word in "abcde"], run_one, 1)
    assert next(told) == runs.Ended("a", 0, "")
    assert second.wait(60)
    with pytest.raises(KeyboardInterrupt):
        told.throw(KeyboardInterrupt())
    assert not over
    ended.set()
    assert len(begun) <= 2


def test_seeds_are_runs_below_the_run_folder(tmp_path, monkeypatch, capfd):
    from twisterl.machines import runs

    asked = []
    monkeypatch.setattr(runs.Local, "__call__", lambda self, words: asked.append(words) or (0, ""))
    assert cli.main(sweep_words(tmp_path, "train", "--seeds", "3", "--seed", "5")) == 0
    assert sorted(words[-1] for words in asked) == [f"algorithm.seed={seed}" for seed in (5, 6, 7)]
    if os.name == "posix":
        assert all("--save-signal USR1" in " ".join(words) for words in asked)
    folders = [words[words.index("--run_path") + 1] for words in asked]
    assert sorted(os.path.basename(folder) for folder in folders) == ["seed=5", "seed=6", "seed=7"]
    monkeypatch.setattr(runs.Local, "__call__", lambda self, words: (1, "error: no"))
    assert cli.main(sweep_words(tmp_path, "train", "--seeds", "1")) == 1
    assert "failed with status 1: error: no" in capfd.readouterr().out
