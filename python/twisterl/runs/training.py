"""A training run from a config file: what is asked for, checked and built before it writes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl.config.algorithm import MOST_ITERATIONS
from twisterl.config.build import build_algorithm
from twisterl.config.json import parse_json, read_bytes, to_json
from twisterl.config.overrides import apply_overrides
from twisterl.config.trust import is_from_hub, may_import, remember
from twisterl.config.validation import check_run
from twisterl.faults import ConfigError, Fault
from twisterl.runs.files import write_atomic
from twisterl.runs.folder import BASE_CONFIG, FULL_CONFIG, RunFolder
from twisterl.runs.lock import require_free

if TYPE_CHECKING:
    from twisterl.runs.progress import Progress

# The predecessor's length of a run that nothing bounds.
_ENDLESS = 10**9


@dataclass(frozen=True)
class Options:
    """What a training run is asked to do; `config_path` may be None when resuming."""

    config_path: str | None
    run_path: str | None = None
    load_checkpoint_path: str | None = None
    num_steps: int | None = None
    seed: int | None = None
    resume: bool = False
    overwrite: bool = False
    rerun: bool = False
    time_budget_s: float | None = None
    overrides: Sequence[tuple[str, Any]] = ()
    trust: bool = False


class Training:
    """A run that is checked and built, and has written nothing yet.

    Attributes:
        run: the run config, overrides included.
        algorithm: built from it, without a run path.

    Raises:
        ConfigError, CheckpointError, RunFolderError: the run cannot start as asked.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._config_bytes, config, self._modules = _read_config(options)
        source = _config_path(options)
        self.run = check_run(config, source)
        default = Path("runs") / Path(source).stem
        self.folder = RunFolder(default if options.run_path is None else options.run_path)
        _require_text(os.fspath(self.folder.path))
        require_free(self.folder.path)
        self.folder.require_usable(resume=options.resume, overwrite=self._overwrites())
        if options.resume and options.load_checkpoint_path:
            problem = "--resume brings its own weights; leave --load_checkpoint_path out"
            raise ConfigError([Fault("", problem)], "command line")
        if options.num_steps is not None and not 0 <= options.num_steps <= MOST_ITERATIONS:
            expected = f"a count of iterations, 0 to {MOST_ITERATIONS}"
            problem = f"got {options.num_steps}; expected {expected}"
            raise ConfigError([Fault("--num_steps", problem)], "command line")
        trust = self._modules is not None
        self.algorithm = build_algorithm(self.run, options.load_checkpoint_path, trust=trust)
        _require_starts(self.algorithm)
        if not options.resume:
            self._plan()

    @property
    def total_iterations(self) -> int | None:
        """Where the run ends, resumed iterations included; None if nothing says."""
        return self.algorithm.num_iterations

    @property
    def has_end(self) -> bool:
        return self.total_iterations is not None

    def start(self) -> None:
        """Writes the configs into the run folder and, when resuming, loads what is there."""
        algorithm, folder = self.algorithm, self.folder
        algorithm.connect()
        algorithm.run_path = os.fspath(folder.path)
        with contextlib.ExitStack() as held:
            held.enter_context(algorithm.lock())
            # Another training may have come and gone since this one was checked.
            overwrites = self._overwrites()
            folder.require_usable(resume=self.options.resume, overwrite=overwrites)
            folder.prepare(overwrite=overwrites)
            if self.options.resume:
                algorithm.resume([path for path, _ in self.options.overrides])
                self._plan()
            write_atomic(folder.path / BASE_CONFIG, self._config_bytes)
            folder.write_json(FULL_CONFIG, algorithm.config)
            self._held = held.pop_all()
        if self._modules is not None:
            remember(self.run.given, self._modules)

    def _plan(self) -> None:
        """Takes over the length that was asked for; refuses a schedule that has none."""
        if self.options.num_steps is not None:
            self.algorithm.num_iterations = self.options.num_steps
        self.algorithm.check_plan(self._end)

    @property
    def _end(self) -> int:
        return _ENDLESS if self.total_iterations is None else self.total_iterations

    def learn(self, watch: Callable[[Progress], None] | None = None) -> None:
        """Trains to the end of the run; `watch` is called after every iteration."""
        if watch is not None:
            self.algorithm.subscribe(watch)
        with self._held, contextlib.ExitStack() as ending:
            ending.callback(self.algorithm.disconnect)
            self.algorithm.learn(max(0, self._end - self.algorithm.iteration))

    def _overwrites(self) -> bool:
        options = self.options
        return options.overwrite or (options.rerun and self._holds_this_run())

    def _holds_this_run(self) -> bool:
        """Whether the folder holds what this very command makes, and no more."""
        length = self.options.num_steps
        if length is None:
            length = self.run.algorithm.get("learning", "num_steps")
        folder, path = self.folder, self.folder.path / BASE_CONFIG
        if length is None or not path.is_file() or read_bytes(path) != self._config_bytes:
            return False
        # Weights from elsewhere are not in the config.
        if self.options.load_checkpoint_path or folder.commits.last_state().get("started_from"):
            return False
        return (folder.last_iteration() or 0) <= length


def _require_text(path: str) -> None:
    """Raises `ConfigError` for a name that is no text, which TensorBoard cannot write to."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        problem = f"got {path!r}; expected a name that is text in UTF-8"
        raise ConfigError([Fault("--run_path", problem)], "command line") from error


def _require_starts(algorithm: Any) -> None:
    """Raises `ConfigError` for an evaluation that the environment cannot start."""
    for name, arguments in algorithm.config["evals"].items():
        if arguments["start"] == "uniform":
            try:
                algorithm.evaluate({**arguments, "num_episodes": 1, "num_searches": 1})
            except ConfigError:
                # Of workers, which name their own place.
                raise
            except ValueError as error:
                path = f"algorithm.evals.{name}.start"
                raise ConfigError([Fault(path, str(error))]) from error


def _config_path(options: Options) -> str:
    if options.config_path is not None:
        return options.config_path
    if not options.resume or options.run_path is None:
        problem = "--config is missing; only --resume with --run_path finds it in the run"
        raise ConfigError([Fault("", problem)], "command line")
    return os.fspath(Path(options.run_path) / BASE_CONFIG)


def _read_config(options: Options) -> tuple[bytes, dict[str, Any], str | None]:
    """The config as bytes and as a value, and what `may_import` says of it."""
    path = _config_path(options)
    content = read_bytes(path)
    config = parse_json(content, path)
    if not isinstance(config, dict):
        raise ConfigError(
            [Fault("", f"got a JSON {type(config).__name__}; expected a JSON object")], path
        )
    is_given = options.config_path is not None and not is_from_hub(path)
    modules = may_import(config, trust=options.trust or is_given)
    pairs = list(options.overrides)
    if options.seed is not None:
        pairs.append(("algorithm.seed", options.seed))
    if options.time_budget_s is not None:
        pairs.append(("algorithm.learning.time_budget_s", options.time_budget_s))
    if pairs:
        # The classes that they name are the user's own, which is no word for those of the file.
        named = may_import(apply_overrides({}, pairs), trust=True)
        modules = modules if modules is None else named or modules
        config = apply_overrides(config, pairs)
        content = to_json(config).encode()
    return content, config, modules
