"""What every algorithm takes: the section `algorithm` but for collecting and training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue, PrivateAttr

from twisterl.config.evaluations import Evaluation
from twisterl.config.policies import BasicPolicyArguments
from twisterl.config.searches import impossible_trees
from twisterl.config.values import (
    Count,
    Difficulty,
    Fraction,
    NotNegative,
    Positive,
    Seconds,
    Section,
    Seed,
    Steps,
)
from twisterl.faults import Fault, joined

MOST_ITERATIONS = 10**10


class LrSchedule(Section):
    """Learning rate over the iterations, from `optimizer.lr` to `final_ratio` times it."""

    kind: Literal["constant", "linear", "cosine"] = Field("constant", description="the shape")
    num_iterations: Count | None = Field(
        None, description="null: the planned length of the run, which must be known"
    )
    final_ratio: Fraction = Field(0.0, description="last rate over first rate")


# What is said in the schema of a key that only torch's updates know.
TORCH_ONLY: dict[str, JsonValue] = {"torch_only": True}


class Training(Section):
    num_epochs: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10, description="passes over the samples of an iteration"
    )
    lr: Positive | None = Field(None, description="another name of optimizer.lr", exclude=True)
    minibatch_size: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        None, description="samples; null: the whole batch"
    )
    max_grad_norm: Positive | None = Field(
        None, description="a longer gradient is shortened to it; null: never"
    )
    lr_schedule: LrSchedule = Field(default_factory=LrSchedule)
    rows_per_pass: Count | None = Field(
        None,
        description="distinct observations in one pass of torch; gradients of larger minibatches "
        "are added up; null: 2,048 on a CPU, 65,536 on a GPU",
        json_schema_extra=TORCH_ONLY,
    )
    compile: Literal["inductor", "aot_eager", "eager"] | None = Field(
        None,
        description="backend of torch.compile for the network in updates; null: not compiled",
        json_schema_extra=TORCH_ONLY,
    )


class Learning(Section):
    """The curriculum: the difficulty rises when `diff_metric` reaches `diff_threshold`."""

    diff_threshold: NotNegative = Field(
        0.85, description="success that raises the difficulty; above 1: never"
    )
    threshold_min: NotNegative | None = Field(
        None, description="once it rises, it goes on until success is below; null: diff_threshold"
    )
    diff_max: Difficulty = Field(
        1_000_000, description="the highest difficulty that it is raised to"
    )
    diff_step: Steps = Field(1, description="by how much it is raised")
    warmup: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="up to this difficulty it is raised by 1, whatever diff_step says"
    )
    final_diff_is_none: bool = Field(
        False, description="the step beyond diff_max leads to none: any solvable state is a start"
    )
    diff_metric: str | None = Field(
        "ppo_deterministic",
        description="a key of evals, or a preset; null, or with evals {}: the difficulty stays",
    )
    num_steps: Annotated[int, Field(ge=0, le=MOST_ITERATIONS)] | None = Field(
        None, description="planned length of the run, in iterations; --num_steps replaces it"
    )
    target_reward: float | None = Field(
        None, description="mean reward of an evaluation of diff_metric at which a run ends"
    )
    time_budget_s: Seconds | None = Field(
        None, description="seconds of training, of all parts of a run, after which it ends"
    )
    patience: Count | None = Field(
        None, description="evaluations of diff_metric without a new best after which a run ends"
    )


class Optimizer(Section):
    """Adam, or Muon for matrices and Adam for the rest."""

    lr: Positive = Field(3e-4, description="learning rate")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), strict=False, description="decay of the two moments"
    )
    eps: Positive = Field(1e-8, description="added to the second moment's root")
    weight_decay: NotNegative = Field(0.0, description="pull of every weight towards 0")
    amsgrad: bool = Field(False, description="keep the largest second moment")
    kind: Literal["adam", "muon"] = Field(
        "adam",
        description="muon: torch.optim.Muon for weights of two axes, Adam for the rest",
        json_schema_extra=TORCH_ONLY,
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.95, description="of muon", json_schema_extra=TORCH_ONLY
    )


class Logging(Section):
    log_freq: Annotated[int, Field(ge=0, le=10**9)] = Field(
        1, description="a line and TensorBoard every that many iterations; 0: never"
    )
    checkpoint_freq: Annotated[int, Field(ge=0, le=10**9)] = Field(
        10, description="a commit every that many iterations; 0: at the end only"
    )
    keep_last: Count = Field(1, description="newest commits that are kept")
    keep_every: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="commits after every that many iterations are kept, too; 0: none"
    )


def _device_name(device: object) -> object:
    # Callers in Python may pass a torch.device, whose text is the name.
    return str(device) if type(device).__module__ == "torch" else device


# TwisteRL 0.5 writes them into every config, and reads them from none.
POLICY: dict[str, Any] = BasicPolicyArguments().model_dump(exclude={"twists", "squash"})


def _with_defaults(policy: Any) -> Any:
    return {**POLICY, **policy} if isinstance(policy, dict) else policy


class AlgorithmSection(Section):
    """An algorithm adds its collecting, training and optimizer, and what they must agree on."""

    # The evaluations of a config that names none.
    default_evals: ClassVar[tuple[str, ...]] = ()
    if TYPE_CHECKING:
        collecting: Any
        training: Any
        optimizer: Any

    device: Annotated[str, BeforeValidator(_device_name)] | None = Field(
        None, description="null: policy.device, else cuda where there is one, else cpu"
    )
    seed: Seed = Field(0, description="of all that is drawn; equal seeds give equal runs")
    policy: Annotated[dict[str, Any], BeforeValidator(_with_defaults)] = Field(
        default_factory=POLICY.copy, description="kept, not read"
    )
    evals: dict[Annotated[str, Field(max_length=64, pattern=r"^[\w .+-]+$")], Evaluation] = Field(
        default_factory=dict
    )
    learning: Learning = Field(default_factory=Learning)
    logging: Logging = Field(default_factory=Logging)
    # What a class of another package was given besides.
    _others: dict[str, Any] = PrivateAttr(default_factory=dict)

    def agree(self) -> None:
        """Lets keys that were left out follow others."""

    def faults(self, path: str) -> Iterator[Fault]:
        """What no key shows alone; `path` is that of the section."""
        rate, given = self.training.lr, self.optimizer.model_fields_set
        if rate is not None and "lr" in given and self.optimizer.lr != rate:
            problem = f"got {rate}, and optimizer.lr is {self.optimizer.lr}; give one of them"
            yield Fault(joined(path, "training.lr"), problem)
        momentum = getattr(self.optimizer, "momentum", 0.95)
        if momentum != 0.95 and self.optimizer.kind == "adam":
            problem = "has a meaning with kind muon alone; leave it out, or choose that"
            yield Fault(joined(path, "optimizer.momentum"), problem)
        workers = getattr(self.collecting, "workers", None)
        if workers is not None:
            yield from workers.faults(joined(path, "collecting.workers"))
        if workers is not None and getattr(self.training, "bellman_from", None) is not None:
            problem = "expected null, for training.bellman_from is given"
            yield Fault(joined(path, "collecting.workers"), problem)
        for where, search in self.searches().items():
            yield from impossible_trees(search, joined(path, where))

    def of_task(self) -> AlgorithmSection:
        """The section where the environment is a task: what is cut off has a future, by default."""
        is_given = "truncation" in self.collecting.model_fields_set
        if is_given or not hasattr(self.collecting, "truncation"):
            return self
        collecting = self.collecting.model_copy(update={"truncation": "bootstrap"})
        return self.model_copy(update={"collecting": collecting})

    def searches(self) -> dict[str, Any]:
        """The sections that may ask for a tree search, by their path below this one."""
        return {joined("evals", name): entry for name, entry in self.evals.items()}

    def keep(self, given: dict[str, Any]) -> None:
        """Keeps what is unknown in `given`, at every level."""
        self._others = given

    def as_dict(self) -> dict[str, Any]:
        """The section with every default, but for those of the optimizer beside its rate.

        A subclass of another package may choose an optimizer without betas.
        """
        section = self.model_dump(by_alias=True)
        # Programs make the engine's collectors of all that is here.
        if section["collecting"].get("workers") is None:
            section["collecting"].pop("workers", None)
        given = self.optimizer.model_fields_set | {"lr"}
        optimizer = {key: value for key, value in section["optimizer"].items() if key in given}
        if optimizer.get("kind") == "adam":
            del optimizer["kind"]
        if self.training.lr is not None:
            optimizer["lr"] = self.training.lr
        section["optimizer"] = optimizer
        if not self.evals:
            section["learning"]["diff_metric"] = None
        return _filled(section, self._others)


class DescentSection(AlgorithmSection):
    """That of an algorithm whose update is gradient descent."""

    engine: Literal["auto", "rust", "torch"] = Field(
        "auto",
        description="what computes updates; auto: rust, but torch for what only torch knows",
    )


def _filled(section: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """`section` with the keys of `others` that it lacks, at every level."""
    for key, value in others.items():
        if key not in section:
            section[key] = value
        elif isinstance(value, dict) and isinstance(section[key], dict):
            _filled(section[key], value)
    return section
