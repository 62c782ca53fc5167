"""The training loop that every algorithm shares.

    collect -> data_to_torch -> train -> sync_rs_policy -> evaluate -> curriculum -> save

An iteration counts wholly or not at all: if it fails or is interrupted, weights, optimizer and
difficulty are those from before it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

from twisterl import strategy, twisterl
from twisterl.config.algorithm import AlgorithmSection
from twisterl.config.registry import ALGORITHMS
from twisterl.config.validation import check_algorithm
from twisterl.defaults import make_config, with_device
from twisterl.envs.protocol import act_space, is_task, num_outputs, obs_dtype
from twisterl.nn.arrays import ArrayPolicy
from twisterl.nn.modes import modes_kept
from twisterl.rl.array_adam import ArrayAdam
from twisterl.rl.batch import columns_of
from twisterl.rl.checks import (
    TrainingError,
    named_divergence,
    require_device,
    require_finite_update,
    require_played_in_order,
)
from twisterl.rl.curriculum import Curriculum, ranked
from twisterl.rl.evaluation import Evaluation
from twisterl.rl.held import Held, Holding
from twisterl.rl.playing import Playing
from twisterl.rl.timing import timed
from twisterl.runs import plan, run_config, snapshot
from twisterl.runs.dashboard import Dashboard
from twisterl.runs.kept import Kept
from twisterl.runs.progress import Progress
from twisterl.runs.recorder import Recorder
from twisterl.runs.watchers import Watcher

if TYPE_CHECKING:
    import torch

    from twisterl.machines.crew import Crew

_logger = logging.getLogger("twisterl")

__all__ = ["Algorithm", "TrainingError", "evaluate", "make_config", "solve", "timed"]

# The engine's, which programs import from here since TwisteRL 0.5.
evaluate, solve = twisterl.collector.evaluate, twisterl.collector.solve


class Algorithm(Holding, Playing, Kept):
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
    obs_dtype: Any
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
        policy = as_policy(env, policy)
        cls = type(self)
        names = [base.__name__ for base in cls.__mro__ if base.__name__ in ALGORITHMS]
        foreign = not cls.__module__.startswith("twisterl.")
        if not isinstance(config, AlgorithmSection):
            config = check_algorithm(names[0] if names else "PPO", config, keep_unknown=foreign)
        self.config = with_device(config.of_task() if is_task(env) else config)
        require_device(self.config["device"])
        _say_what_is_not_read(config)
        self.env = env
        # What the policy says of each observation.
        self.num_actions = num_outputs(act_space(env))
        self._take(policy)

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
        # What the last iteration of this call of `learn` has brought.
        self.last_progress: Progress | None = None
        self._num_solves = 0
        self.dashboard = Dashboard()
        self.num_without_improvement = 0
        # Whether the last evaluation had `learning.target_reward`.
        self.is_on_target = False
        # The file of the first weights, which no config names.
        self.started_from: str | None = None
        # The run config that makes this algorithm again; found when it is needed.
        self.described: run_config.Described | None = None
        self._said: str | None = None
        self._enter_process()

    def _take(self, policy: Any) -> None:
        """Makes `policy` what is trained, and its optimizer."""
        if isinstance(policy, ArrayPolicy):
            self.held = Held(policy, self._make_array_optimizer(policy))
            self.obs_size, self.obs_dtype = policy.obs_size, policy.obs_dtype
            return
        if not any(parameter.requires_grad for parameter in policy.parameters()):
            name = type(getattr(policy, "module", policy)).__name__
            raise ValueError(f"policy: expected parameters to train, got none of {name}")
        require_played_in_order(policy, self.config["evals"])
        self.obs_size = policy.obs_size
        self.obs_dtype = getattr(policy, "obs_dtype", "sparse")
        self.held = Held(policy.to(self.config["device"]))
        self.policy.device = self.config["device"]
        self.held.optimizer = self._make_optimizer()

    def _enter_process(self) -> None:
        """Makes what no copy of an algorithm shares with it or takes elsewhere."""
        self._start_holding()
        self._start_playing()
        self._start_keeping()
        self._stop = threading.Event()
        self._crew: Crew | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What continues the run as it would here, with the same run path.

        Watchers and an open TensorBoard writer stay behind; another writer is made when needed.

        Raises `RuntimeError` while `learn` updates the weights, in another thread.
        """
        if self._engine_policy.is_held:
            raise RuntimeError("an algorithm is copied between its iterations, not within one")
        made = {"_watchers", "_lock", "_stop", "_save_soon", "_env_lock", "_engine_policy"}
        made |= {"_held_lock", "_crew"}
        return {name: value for name, value in vars(self).items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._enter_process()

    # What a subclass does.

    def draw_weights(self) -> None:
        """Gives the policy its first weights, where no checkpoint does; torch's own by default."""

    def _make_optimizer(self) -> Any:
        from twisterl.rl.adam import make_adam
        from twisterl.rl.muon import make_muon

        arguments = self.config["optimizer"]
        if arguments.get("kind") == "muon":
            return make_muon(self.policy.named_parameters(), arguments)
        return make_adam(self.policy.parameters(), arguments)

    def _make_array_optimizer(self, policy: ArrayPolicy) -> Any:
        """As `_make_optimizer`, of arrays."""
        shapes = [values.shape for values in policy.weights.values()]
        return ArrayAdam(shapes, self.config["optimizer"])

    @timed
    def data_to_torch(self, data: Any) -> Any:
        """The collected `data` as the tensors that `train` takes."""
        raise NotImplementedError(f"{type(self).__name__} has no data_to_torch")

    def data_to_train(self, data: Any) -> Any:
        """`data_to_torch`, or the same as arrays where the engine trains its own."""
        return self.data_to_torch(data)

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

    def collector_arguments(self) -> dict[str, Any]:
        """What the engine's collector is made of."""
        arguments = {**self.config["collecting"], "seed": self.config["seed"]}
        arguments.pop("workers", None)
        return arguments

    def connect(self) -> Crew | None:
        """The workers of `collecting.workers`, brought up if they are not; None without any.

        Raises `ConfigError` if there are none, or the environment or policy cannot be sent.
        """
        workers = self.config["collecting"].get("workers")
        if self._crew is None and workers is not None:
            from twisterl.machines.crew import Crew

            crew = Crew(workers)
            crew.start(self)
            self._crew = crew
        return self._crew

    def disconnect(self) -> None:
        """Lets the workers go; others come up when they are needed."""
        if self._crew is not None:
            self._crew.coordinator.end()
            self._crew = None

    # The parts of an iteration.

    @timed
    def collect(self) -> Any:
        """Plays episodes with the engine; equal for equal seed and iteration."""
        policy = self._current_policy()
        ours = (twisterl.collector.AZCollector, twisterl.collector.PPOCollector)
        if isinstance(self.collector, ours):
            start = "uniform" if self.curriculum.is_unbounded else "reset"
            crew = self.connect()
            if crew is not None:
                return crew.episodes(self, start)
            return self.collector.collect(self.env, policy, self.iteration, start)
        return self.collector.collect(self.env, policy)

    def num_collected(self, data: Any) -> int:
        """How many steps of the environment `data` is."""
        return len(columns_of(data).actions)

    @timed
    def learn_step(self) -> tuple[dict[str, float], dict[str, Any], dict[str, float]]:
        """One iteration without curriculum and saving: times, benchmarks and losses by name."""
        times: dict[str, float] = {}
        data, times["collect"] = self.collect()
        torch_data, times["data_to_torch"] = self.data_to_train(data)
        num_steps = self.num_collected(data)
        del data
        with self._held_lock:
            if not self.held.is_array:
                self.policy.train()
            self._engine_policy.is_held = True
            try:
                losses, times["train"] = self.train(torch_data)
                require_finite_update(self.iteration, losses, self.held.policy)
                _, times["to_rust"] = self.sync_rs_policy()
            finally:
                self._engine_policy.is_held = False
        del torch_data
        judge = strategy.open_judge(self.config)
        if judge is not None and self._is_due(judge["freq"]):
            weight, times["beam_value_weight"] = self.choose_beam_weight(judge)
            self.beam_value_weight = weight
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
        with contextlib.ExitStack() as ending:
            if not self.held.is_array:
                ending.enter_context(modes_kept(self.policy))
            if self.run_path is not None:
                ending.enter_context(self.lock())
            self._learn(end)

    def _learn(self, end: int) -> None:
        self.last_progress = None
        recorder = Recorder(self, self._run_folder)
        with contextlib.ExitStack() as ending:
            ending.callback(self._watchers.end, self)
            ending.enter_context(recorder)
            recorder.open_dashboard()
            self._watchers.start(self)
            while self.iteration < end and not self._ends_early():
                progress = self._iterate(end)
                recorder.keep(progress)
                self._watchers.iteration(self, progress)

    def _ends_early(self) -> bool:
        """Whether a watcher, the target, the budget of time or lack of progress ends the run."""
        used_up = plan.is_used_up(
            self.config["learning"], self.elapsed_s, self.num_without_improvement
        )
        return self._stop.is_set() or used_up or self.is_on_target

    def _iterate(self, end: int) -> Progress:
        with snapshot.all_or_nothing(self), named_divergence(self.iteration):
            (times, benchmarks, losses), seconds = self.learn_step()
            times["total"] = seconds
            difficulty = benchmarks["difficulty"]
            improved = self._judge(difficulty, benchmarks["success"], benchmarks["reward"])
            num_steps = benchmarks.get("num_steps", 0)
            self.total_steps += num_steps
            self.elapsed_s += times["total"]
            progress = Progress(
                iteration=self.iteration,
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
                workers=None if self._crew is None else self._crew.coordinator.counts(),
            )
            # Before it counts, so that no iteration that counts goes without its line.
            self.last_progress = progress
            self.iteration += 1
        return progress

    def _judge(self, difficulty: int | None, success: float | None, reward: float | None) -> bool:
        """Whether these are the best metrics so far; raises the difficulty where it is due."""
        if success is None or reward is None:
            return False
        target = self.config["learning"]["target_reward"]
        self.is_on_target = target is not None and reward >= target
        metrics: tuple[Any, ...] = (difficulty, success, reward)
        best = self.best_metrics
        rank = functools.partial(ranked, is_task=is_task(self.env))
        improved = best is None or rank(metrics) >= rank(best)
        if improved:
            self.best_metrics = metrics
        # The newest of equals is kept as the best, but has brought nothing.
        is_better = best is None or rank(metrics) > rank(best)
        self.num_without_improvement = 0 if is_better else self.num_without_improvement + 1
        self.curriculum.advance(self.env, success)
        return improved

    def request_stop(self) -> None:
        """Makes `learn` end after its iteration; from a watcher, another thread or a signal."""
        self._stop.set()

    def subscribe(self, watcher: Watcher) -> None:
        """Tells `watcher` of the run, in the thread of `learn`.

        A function is called with the `Progress` of every iteration; an object with the methods of
        `twisterl.callbacks.Callback` that it has.
        """
        self._watchers.add(watcher)

    def _schedule_plan(self) -> int | None:
        begun = self.schedule_iterations
        return self.num_iterations if begun is None else begun

    def _is_due(self, frequency: int) -> bool:
        last = self.num_iterations is not None and self.iteration + 1 == self.num_iterations
        return last or (self.iteration + 1) % frequency == 0


def as_policy(env: Any, policy: Any) -> Any:
    """`policy` as it is trained on `env`: a `TorchPolicy` of a module that is no policy yet.

    Raises `TypeError` for what is no environment or no policy, such as a class of such.
    """
    for name, given in (("env", env), ("policy", policy)):
        if isinstance(given, type):
            raise TypeError(f"{name}: expected an object, got the class {given.__name__}")
    if not callable(getattr(env, "num_actions", None)):
        raise TypeError(f"env: expected an environment, got {type(env).__name__}")
    if hasattr(policy, "to_rust"):
        return policy
    from twisterl.nn.torch_policy import TorchPolicy

    return TorchPolicy(policy, env.obs_shape(), num_outputs(act_space(env)), obs_dtype(env))


def _say_what_is_not_read(section: AlgorithmSection) -> None:
    learning = section.learning
    metric = learning.diff_metric if "diff_metric" in learning.model_fields_set else None
    if metric is not None and not section.evals:
        text = "evals is {}: nothing is evaluated, and learning.diff_metric, %s, raises nothing"
        _logger.warning(text, metric)
