"""The numbers of a saved run, read as data nobody vouches for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from twisterl.config.validation import check_section
from twisterl.faults import ConfigError, Fault, shown

Counter = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _State(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    iteration: Counter
    total_steps: Counter
    elapsed_s: Annotated[Number, Field(ge=0)]
    difficulty: Annotated[int, Field(ge=0, lt=2**32)]
    # The difficulty first, none where no difficulty bounds the starts.
    best_metrics: list[Number | None] | None
    num_without_improvement: Counter = 0
    torch_threads: Annotated[int, Field(ge=1)]
    optimizer: dict[str, Any]


def require_state(state: Any, where: str) -> None:
    """Raises `ConfigError` naming what of a commit's `state.json` cannot continue a run."""
    source = f"{where}: state.json"
    if not isinstance(state, dict):
        raise ConfigError([Fault("", f"got {shown(state)}; expected an object")], source)
    check_section(_State, state, "", source)
