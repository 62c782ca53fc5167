"""The training loop that every algorithm shares.

    collect -> data_to_torch -> train -> sync_rs_policy -> evaluate -> curriculum -> save

An iteration counts wholly or not at all: if it fails or is interrupted, weights, optimizer and
difficulty are those from before it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from twisterl import twisterl
from twisterl.config.algorithm import AlgorithmSection
from twisterl.config.registry import ALGORITHMS
from twisterl.config.validation import check_algorithm
from twisterl.defaults import make_config, with_device
from twisterl.envs.protocol import obs_dtype
from twisterl.nn.torch_policy import TorchPolicy
from twisterl.rl import evaluation
from twisterl.rl.adam import make_adam
from twisterl.rl.batch import columns_of
from twisterl.rl.checks import (
    TrainingError,
    named_divergence,
    require_device,
    require_finite_update,
)
from twisterl.rl.curriculum import Curriculum, rank
from twisterl.rl.evaluation import Evaluation
from twisterl.rl.synced import Synced
from twisterl.runs import plan, recorder, resume, run_config, snapshot
from twisterl.runs.errors import CheckpointError
from twisterl.runs.folder import RunFolder
from twisterl.runs.lock import RunLock
from twisterl.runs.progress import Progress
from twisterl.runs.watchers import Watcher, Watchers
from twisterl.strategy import to_solve

if TYPE_CHECKING:
    import torch

_logger = logging.getLogger("twisterl")
_Result = TypeVar("_Result")
_NOT_SET: Any = object()

__all__ = ["Algorithm", "TrainingError", "evaluate", "make_config", "solve", "timed"]

# The engine's, which programs import from here since TwisteRL 0.5.
evaluate, solve = twisterl.collector.evaluate, twisterl.collector.solve


def timed(func: Callable[..., _Result]) -> Callable[..., tuple[_Result, float]]:
    """Makes a call return `(result, seconds)`."""

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[_Result, float]:
        start = time.perf_counter()
        result = func(*args, **kwargs)
        return result, time.perf_counter() - start

    return wrapper


class Algorithm:
    """Trains `policy` on `env` as `config`, the `algorithm` section of a run config, says.

    A subclass gives `self.collector`, `data_to_torch` and `train_step` (or `train`).

    Args:
        env: the environment; it is never stepped, `solve` alone sets its state.
        policy: a `twisterl.nn` policy, any module with `to_rust()`, or any other module, which
            becomes a `twisterl.nn.TorchPolicy`.
        config: missing keys take their defaults; the dictionary is not changed. Or its model.
        run_path: folder for checkpoints and metrics, or None. May be assigned later.

    Raises:
        ConfigError: the config has faults.
        TypeError, ValueError: `policy` is no module, or has nothing to train.
    """

    collector: Any
    config: dict[str, Any]
    env: Any
    num_actions: int
    obs_size: int
    obs_dtype: str
    policy: Any
    optimizer: Any
    rs_pol: twisterl.nn.Policy
    iteration: int
    total_steps: int
    elapsed_s: float

    def __init__(
        self,
        env: Any,
        policy: Any,
        config: dict[str, Any] | AlgorithmSection,
        run_path: Any = None,
    ) -> None:
        cls = type(self)
        names = [base.__name__ for base in cls.__mro__ if base.__name__ in ALGORITHMS]
        foreign = not cls.__module__.startswith("twisterl.")
        if not isinstance(config, AlgorithmSection):
            config = check_algorithm(names[0] if names else "PPO", config, keep_unknown=foreign)
        self.config = with_device(config)
        require_device(self.config["device"])
        _say_what_is_not_read(config)
        self.env = env
        self.num_actions = env.num_actions()
        if not hasattr(policy, "to_rust"):
            policy = TorchPolicy(policy, env.obs_shape(), self.num_actions, obs_dtype(env))
        if not any(parameter.requires_grad for parameter in policy.parameters()):
            name = type(getattr(policy, "module", policy)).__name__
            raise ValueError(f"policy: expected parameters to train, got none of {name}")
        self.obs_size = policy.obs_size
        self.obs_dtype = getattr(policy, "obs_dtype", "sparse")
        self.policy = policy.to(self.config["device"])
        self.policy.device = self.config["device"]
        self.optimizer = self._make_optimizer()

        self.run_path = run_path
        self.iteration = 0
        # Where the run is planned to end, None if nothing says; may be assigned.
        self.num_iterations: int | None = self.config["learning"]["num_steps"]
        # What that was when the run began: schedules without a length of their own keep it.
        self.schedule_iterations: int | None = None
        self.curriculum = Curriculum(self.config["learning"])
        self.total_steps = 0
        self.elapsed_s = 0.0
        self.best_metrics: tuple[float, ...] | None = None
        self._num_solves = 0
        self._tb_writer: Any = _NOT_SET
        self._tb_path: Any = None
        self.num_without_improvement = 0
        # The file of the first weights, which no config names.
        self.started_from: str | None = None
        # The run config that makes this algorithm again; found when it is needed.
        self.described: run_config.Described | None = None
        self._said: str | None = None
        self._enter_process()

    def _enter_process(self) -> None:
        """Makes what no copy of an algorithm shares with it or takes elsewhere."""
        self._watchers = Watchers()
        self._lock: RunLock | None = None
        self._stop = threading.Event()
        self._save_soon = threading.Event()
        self._updating = False
        self._engine_lock = threading.Lock()
        self._env_lock = threading.Lock()
        self.sync_rs_policy()

    def __getstate__(self) -> dict[str, Any]:
        """What continues the run as it would here, with the same run path.

        Watchers and an open TensorBoard writer stay behind; another writer is made when needed.

        Raises `RuntimeError` while `learn` updates the weights, in another thread.
        """
        if self._updating:
            raise RuntimeError("an algorithm is copied between its iterations, not within one")
        made = {"_watchers", "_lock", "_stop", "_save_soon", "_engine_lock", "_env_lock"}
        made |= {"rs_pol", "_synced"}
        state = {name: value for name, value in vars(self).items() if name not in made}
        # Only whether one is wanted goes along.
        state["_tb_writer"] = self._tb_writer is not None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.tb_writer = _NOT_SET if state["_tb_writer"] else None
        self._enter_process()

    # What a subclass does.

    def draw_weights(self) -> None:
        """Gives the policy its first weights, where no checkpoint does; torch's own by default."""

    def _make_optimizer(self) -> Any:
        return make_adam(self.policy.parameters(), self.config["optimizer"])

    @timed
    def data_to_torch(self, data: Any) -> Any:
        """The collected `data` as the tensors that `train` takes."""
        raise NotImplementedError(f"{type(self).__name__} has no data_to_torch")

    @timed
    def train_step(self, torch_data: Any) -> dict[str, float]:
        """One step of gradient descent; its losses by name."""
        raise NotImplementedError(f"{type(self).__name__} has no train_step")

    @timed
    def train(self, torch_data: Any) -> dict[str, float]:
        """All steps of one iteration; the losses of the last one by name."""
        losses: dict[str, float] = {}
        for _ in range(self.config["training"]["num_epochs"]):
            losses, _ = self.train_step(torch_data)
        return losses

    def memory(self) -> dict[str, torch.Tensor]:
        """What iterations hand on besides weights and optimizer; its tensors never change."""
        return {}

    def remember(self, memory: dict[str, torch.Tensor]) -> None:
        """Puts back what `memory` gave."""

    # The parts of an iteration.

    @timed
    def sync_rs_policy(self) -> None:
        """Gives the engine the weights as they are now."""
        with self._engine_lock:
            self._sync()

    @timed
    def collect(self) -> Any:
        """Plays episodes with the engine; equal for equal seed and iteration."""
        policy = self._current_policy()
        ours = (twisterl.collector.AZCollector, twisterl.collector.PPOCollector)
        if isinstance(self.collector, ours):
            start = "uniform" if self.curriculum.is_unbounded else "reset"
            return self.collector.collect(self.env, policy, self.iteration, start)
        return self.collector.collect(self.env, policy)

    def num_collected(self, data: Any) -> int:
        """How many steps of the environment `data` is."""
        return len(columns_of(data).actions)

    @timed
    def evaluate(self, kwargs: dict[str, Any]) -> Evaluation:
        """`(success, reward)` of the evaluation that `kwargs`, an entry of `evals`, describes."""
        if self.curriculum.is_unbounded and kwargs.get("start", "reset") == "reset":
            kwargs = {**kwargs, "start": "uniform"}
        return evaluation.evaluate(self.env, self._current_policy(), kwargs)

    @timed
    def learn_step(self) -> tuple[dict[str, float], dict[str, Any], dict[str, float]]:
        """One iteration without curriculum and saving: times, benchmarks and losses by name."""
        times: dict[str, float] = {}
        data, times["collect"] = self.collect()
        torch_data, times["data_to_torch"] = self.data_to_torch(data)
        num_steps = self.num_collected(data)
        del data
        self.policy.train()
        self._updating = True
        try:
            losses, times["train"] = self.train(torch_data)
            require_finite_update(self.iteration, losses, self.policy)
            _, times["to_rust"] = self.sync_rs_policy()
        finally:
            self._updating = False
        del torch_data
        results: dict[str, Evaluation] = {}
        for name, arguments in self.config["evals"].items():
            if self._is_due(arguments["freq"]):
                results[name], times[f"eval_{name}"] = self.evaluate(arguments)
        metric = results.get(self.config["learning"]["diff_metric"])
        benchmarks = {
            "evaluations": results,
            "successes": {name: result[0] for name, result in results.items()},
            "rewards": {name: result[1] for name, result in results.items()},
            "difficulty": self.difficulty,
            "success": None if metric is None else metric[0],
            "reward": None if metric is None else metric[1],
            "num_steps": num_steps,
        }
        return times, benchmarks, losses

    # The loop.

    @property
    def difficulty(self) -> int | None:
        """That of the episodes now; None if no difficulty bounds their starts any more."""
        return None if self.curriculum.is_unbounded else self.env.difficulty

    def share_done(self) -> float:
        """The share of the schedules that is over: 0 in the first iteration, at most 1.

        Raises `ConfigError` for a schedule of no length in a run whose length is not known.
        """
        return plan.share_done(self.config, self._schedule_plan(), self.iteration)

    def check_plan(self, end: int) -> None:
        """Raises as `share_done`; says once if the run to iteration `end` outlives its schedule, or
        the environment cannot be what the curriculum ends with.
        """
        self.curriculum.check(self.env, self._current_policy())
        text = plan.beyond_schedule(self.config, self._schedule_plan(), end)
        if text is not None and text != self._said:
            self._said = text
            _logger.warning("%s", text)

    def learn(self, num_steps: int, best_metrics: tuple[float, ...] | None = None) -> None:
        """Trains for `num_steps` iterations more; calls in parts make the same run as one.

        Schedules and the last evaluation go by the run's planned length, which `learning.num_steps`
        says or `num_iterations` is set to.

        With a run path, saves as the config says and at the end. `KeyboardInterrupt` drops the
        running iteration, saves, and goes on to the caller; `request_stop` ends after it.

        Raises:
            ConfigError: a schedule has no length, and the run has none either.
            TrainingError: a loss or weight is not finite; the iteration before it is saved.
        """
        try:
            is_count = num_steps == int(num_steps) and num_steps >= 0
        except (TypeError, ValueError, OverflowError):
            is_count = False
        if not is_count:
            raise ValueError(f"num_steps: got {num_steps!r}; expected a count of iterations")
        self._stop.clear()
        end = self.iteration + int(num_steps)
        self.check_plan(end)
        if end > self.iteration and self.schedule_iterations is None:
            self.schedule_iterations = self.num_iterations
        if best_metrics is not None:
            self.best_metrics = tuple(best_metrics)
        with contextlib.nullcontext() if self.run_path is None else self.lock():
            self._learn(end)

    def _learn(self, end: int) -> None:
        lines = self._open_run()
        committed: int | None = None
        try:
            if self.config["logging"]["log_freq"]:
                # Made before the first iteration, whose number it is told.
                _ = self.tb_writer
            self._watchers.start(self)
            while self.iteration < end and not self._ends_early():
                progress = self._iterate(end)
                if lines is not None:
                    lines.write(progress)
                    if progress.improved:
                        self._folder().save_best(self.policy.state_dict())
                    if self._is_time_to_save():
                        self.save()
                        committed = self.iteration
                self._publish(progress)
            if lines is not None:
                lines.require_there()
        except BaseException as first:
            if lines is not None and committed != self.iteration:
                try:
                    # Another run may be where a removed folder was.
                    lines.require_there()
                    self.save()
                except (OSError, CheckpointError) as lost:
                    if isinstance(first, KeyboardInterrupt):
                        raise
                    # The first failure is the one to report.
                    _logger.error("the run could not be saved: %s", lost)
            raise
        else:
            if lines is not None and committed != self.iteration:
                self.save()
        finally:
            with contextlib.ExitStack() as ending:
                ending.callback(self._watchers.end, self)
                if lines is not None:
                    ending.callback(lines.close)
                if self._tb_writer not in (_NOT_SET, None) and (lines is None or lines.is_there()):
                    ending.callback(recorder.flush, self._tb_writer)

    def request_stop(self) -> None:
        """Makes `learn` end after its iteration; from a watcher, another thread or a signal."""
        self._stop.set()

    def request_save(self) -> None:
        """Makes `learn` save after its iteration and go on."""
        self._save_soon.set()

    def subscribe(self, watcher: Watcher) -> None:
        """Tells `watcher` of the run, in the thread of `learn`.

        A function is called with the `Progress` of every iteration; an object with the methods of
        `twisterl.callbacks.Callback` that it has.
        """
        self._watchers.add(watcher)

    def lock(self) -> RunLock:
        """The lock of the run folder, for `with`: only this algorithm writes there then.

        `learn`, `save` and `resume` hold it themselves. Raises `RunFolderError` at the block's
        begin if another training has it.
        """
        folder = self._folder().path
        if self._lock is None or self._lock.folder != folder:
            self._lock = RunLock(folder)
        return self._lock

    def solve(
        self,
        state: Any,
        deterministic: bool | None = None,
        num_searches: int | None = None,
        num_mcts_searches: int | None = None,
        C: float | None = None,
        max_expand_depth: int | None = None,
        **options: Any,
    ) -> list[int] | None:
        """The actions that solve `state`, `[]` if it is solved, None if no search found any.

        Plays with the current weights; while `learn` runs, with those of its last iteration. May
        be called from many threads. What is None or left out is as the run is judged, see
        `twisterl.strategy.to_solve`: by the search of the entry of `evals` that `diff_metric`
        names, with its numbers, else by actions drawn from the policy.

        Args:
            deterministic: take the likeliest action every time; alone, without a search.
            options: `strategy` ("greedy", "sample", "value", "mcts" or "beam"), `root_selection`,
                `gamma`, `beam_width`, `beam_value_weight`, `time_limit_s`, `node_limit`,
                `max_episode_steps` and `num_cores`, as in an entry of `evals`.

        Raises:
            ValueError: `state` is no state of the environment, an option is out of range, or
                the policy is to play where only values have learned.
        """
        with self._env_lock:
            seed = self.config["seed"] + self._num_solves
            self._num_solves += 1
        policy = self._current_policy()
        asked = {
            "deterministic": deterministic,
            "num_searches": num_searches,
            "num_mcts_searches": num_mcts_searches,
            "C": C,
            "max_expand_depth": max_expand_depth,
            **options,
        }
        searches = to_solve(self.config, asked)
        with self._env_lock:
            self.env.set_state(state)
            env = self.env.copy() if hasattr(self.env, "copy") else None
        if env is None:
            # The engine copies such an environment; its own state may be another thread's by now.
            states = np.array([state], np.int64)
            found = twisterl.collector.evaluate_episodes(
                self.env, policy, **searches, states=states, seed=seed, actions=True
            )
            return found["actions"][0].tolist() if found["success"][0] else None
        (success, _), actions = twisterl.collector.solve(env, policy, **searches, seed=seed)
        return list(actions) if success else None

    # Saving and resuming.

    def save(self) -> None:
        """Commits the run to `run_path`, so that `resume` continues it.

        Raises `CheckpointError` for weights that are not finite; nothing is replaced then.
        """
        logging = self.config["logging"]
        with self.lock():
            self._folder().commit(
                resume.commit_of(self), logging["keep_last"], logging["keep_every"]
            )
        self._watchers.save(self)

    def resume(self, given: Collection[str] = ()) -> None:
        """Continues the run in `run_path`: weights, optimizer, memory, counters, generators.

        Keys of the config that differ from the run's take effect and are told in a warning; those
        named by the dotted paths `given` take effect even where they do not differ.

        Raises `RunFolderError` or `CheckpointError` before anything is changed.
        """
        folder = self._folder()
        resume.restore(self, folder, folder.load_commit(), given)
        with self.lock():
            folder.keep_metrics(self.iteration)
        self.sync_rs_policy()

    @property
    def tb_writer(self) -> Any:
        """The TensorBoard writer, made at first use if there is a run path; may be assigned."""
        if self._tb_writer is _NOT_SET or self._tb_path not in (None, self.run_path):
            if self.run_path is None:
                return None
            if self._tb_path is not None:
                recorder.flush(self._tb_writer)
                self._tb_writer.close()
            self._tb_writer = recorder.make_writer(self._folder().path, self.iteration, self)
            self._tb_path = self.run_path
        return self._tb_writer

    @tb_writer.setter
    def tb_writer(self, writer: Any) -> None:
        self._tb_writer, self._tb_path = writer, None

    # Inside.

    @property
    def run_path(self) -> Any:
        """The folder for checkpoints and metrics as it was given, or None; may be assigned."""
        return self._run_path

    @run_path.setter
    def run_path(self, path: Any) -> None:
        self._run_path = path
        # Where it is now: a program may go to another folder while the run goes on.
        self._run_folder = None if path is None else RunFolder(path)

    def _folder(self) -> RunFolder:
        if self._run_folder is None:
            raise ValueError("run_path: got None; expected the folder of the run")
        return self._run_folder

    def _ends_early(self) -> bool:
        """Whether a watcher, the budget of time or the lack of progress ends the run."""
        learning = self.config["learning"]
        budget, patience = learning["time_budget_s"], learning["patience"]
        return (
            self._stop.is_set()
            or (budget is not None and self.elapsed_s >= budget)
            or (patience is not None and self.num_without_improvement >= patience)
        )

    def _is_time_to_save(self) -> bool:
        """Whether the iteration that has just ended is one to be saved after."""
        logging = self.config["logging"]
        asked = self._save_soon.is_set()
        self._save_soon.clear()
        frequency, keep_every = logging["checkpoint_freq"], logging["keep_every"]
        due = frequency and (self.iteration - 1) % frequency == 0
        return bool(asked or due or (keep_every and self.iteration % keep_every == 0))

    def _open_run(self) -> recorder.Recorder | None:
        if self.run_path is None:
            return None
        folder = self._folder()
        run_config.write(self, folder)
        folder.keep_metrics(self.iteration)
        return recorder.Recorder(folder.path)

    def _schedule_plan(self) -> int | None:
        begun = self.schedule_iterations
        return self.num_iterations if begun is None else begun

    def _iterate(self, end: int) -> Progress:
        with self._all_or_nothing(), named_divergence(self.iteration):
            (times, benchmarks, losses), seconds = self.learn_step()
            times["total"] = seconds
            difficulty = benchmarks["difficulty"]
            improved = False
            if benchmarks["success"] is not None:
                metrics = (difficulty, benchmarks["success"], benchmarks["reward"])
                best = self.best_metrics
                improved = best is None or rank(metrics) >= rank(best)
                if improved:
                    self.best_metrics = metrics
                # The newest of equals is kept as the best, but has brought nothing.
                is_better = best is None or rank(metrics) > rank(best)
                self.num_without_improvement = 0 if is_better else self.num_without_improvement + 1
                self.curriculum.advance(self.env, benchmarks["success"])
            num_steps = benchmarks.get("num_steps", 0)
            self.total_steps += num_steps
            self.elapsed_s += times["total"]
            self.iteration += 1
        return Progress(
            iteration=self.iteration - 1,
            total_iterations=end,
            difficulty=difficulty,
            next_difficulty=self.difficulty,
            success=benchmarks["success"],
            reward=benchmarks["reward"],
            evaluations=benchmarks.get("evaluations", {}),
            losses=losses,
            times=times,
            num_steps=num_steps,
            total_steps=self.total_steps,
            elapsed_s=self.elapsed_s,
            improved=improved,
        )

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        device = self.config["device"]
        before = snapshot.take(self.policy, self.optimizer, device)
        memory = self.memory()
        counters = (self.iteration, self.total_steps, self.elapsed_s, self.best_metrics)
        without = self.num_without_improvement
        difficulty, curriculum = self.env.difficulty, self.curriculum.state()
        try:
            yield
        except BaseException:
            snapshot.restore(before, self.policy, self.optimizer, device)
            self.remember(memory)
            self.iteration, self.total_steps, self.elapsed_s, self.best_metrics = counters
            self.num_without_improvement = without
            self.env.difficulty = difficulty
            self.curriculum.restore(curriculum)
            self.sync_rs_policy()
            raise

    def _is_due(self, frequency: int) -> bool:
        last = self.num_iterations is not None and self.iteration + 1 == self.num_iterations
        return last or (self.iteration + 1) % frequency == 0

    def _publish(self, progress: Progress) -> None:
        frequency = self.config["logging"]["log_freq"]
        if frequency and progress.iteration % frequency == 0:
            _logger.info("%s", progress.as_dict())
            writer = self.tb_writer
            if writer is not None:
                recorder.write_scalars(writer, progress)
        self._watchers.iteration(self, progress)

    def _sync(self) -> None:
        synced = Synced(self.policy)
        self.rs_pol = self.policy.to_rust()
        self._synced = synced

    def _current_policy(self) -> Any:
        """The engine's policy, renewed if someone has changed the weights since."""
        if not self._updating and not self._synced.is_current(self.policy):
            with self._engine_lock:
                if not self._updating and not self._synced.is_current(self.policy):
                    self._sync()
        return self.rs_pol


def _say_what_is_not_read(section: AlgorithmSection) -> None:
    learning = section.learning
    metric = learning.diff_metric if "diff_metric" in learning.model_fields_set else None
    if metric is not None and not section.evals:
        text = "evals is {}: nothing is evaluated, and learning.diff_metric, %s, raises nothing"
        _logger.warning(text, metric)
