"""What values of a config's keys may be: the types and bounds that its models share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from twisterl.faults import Fault, joined

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Cores = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Steps = Annotated[int, Field(ge=1, le=1_000_000)]
Difficulty = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
# The engine's search reckons in f32, and a time in whole nanoseconds.
SearchWeight = Annotated[float, Field(ge=0, le=1e30)]
Seconds = Annotated[float, Field(ge=1e-6, le=1e9)]
# The engine counts them in 32 bits.
EpisodeSteps = Annotated[int, Field(ge=1, le=2**32 - 1)]
Natural = Annotated[int, Field(ge=0, le=65_536)]
# Callers in Python write (256,) where JSON has [256].
Widths = Annotated[list[Width], BeforeValidator(lambda v: list(v) if isinstance(v, tuple) else v)]
Pairs = list[Annotated[list[Natural], Field(min_length=2, max_length=2)]]


class Section(BaseModel):
    """A JSON object: types are strict (`true` is not 1, `3.0` is no integer), keys are known."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, validate_by_name=False
    )


class Workers(Section):
    """Who plays instead of this process, with the same bytes: docs/machines.md."""

    backend: Literal["local", "ray"] = Field(
        "local", description="processes of this machine, or actors of a Ray cluster"
    )
    address: str | None = Field(
        None, description="of the Ray cluster: host:port or auto; null: one on this machine alone"
    )
    num_workers: Cores = Field(2, description="of which some may come later, or be lost")
    num_cores: Cores = Field(1, description="threads of each")
    timeout_s: Seconds = Field(
        600.0, description="a worker that keeps a range so long is taken for lost"
    )

    def faults(self, path: str) -> Iterator[Fault]:
        """What no key shows alone; `path` is that of the section."""
        if self.backend != "ray" and self.address is not None:
            problem = f"got {self.address!r}; expected null, for backend is not ray"
            yield Fault(joined(path, "address"), problem)


def workers() -> Any:
    return Field(None, description="null: this process plays")


def max_episode_steps() -> Any:
    text = (
        "an episode of more steps is an error; "
        "null: 100,000, or none where something else is known to end it"
    )
    return Field(None, description=text)
