"""How long a run is planned to be, and what its schedules make of it.

Schedules and the last evaluation go by the plan, never by how `learn` is cut into calls. A schedule
keeps the length that it began with: a run that is made longer goes on at the schedule's last value.
"""

from __future__ import annotations

from typing import Any

from twisterl.faults import ConfigError, Fault

_LENGTH = "algorithm.training.lr_schedule.num_iterations"


def schedule_length(config: dict[str, Any], planned: int | None) -> int | None:
    """Iterations of the schedules of `config`, an `algorithm` section; None if it has none.

    Raises `ConfigError` for a schedule of no length in a run whose length is not known.
    """
    scheduled = last_values(config)
    if not scheduled:
        return None
    length = config["training"]["lr_schedule"]["num_iterations"]
    length = planned if length is None else length
    if length is None:
        problem = (
            f"got null, so that {' and '.join(scheduled)} would need the length of the run, which "
            "is not known; expected a count, or the length as learning.num_steps or --num_steps"
        )
        raise ConfigError([Fault(_LENGTH, problem)])
    return length


def share_done(config: dict[str, Any], planned: int | None, iteration: int) -> float:
    """The share of the schedules that is over, 0 in the first iteration, at most 1."""
    length = schedule_length(config, planned)
    return min(iteration / length, 1.0) if length else 0.0


def last_values(config: dict[str, Any]) -> dict[str, float]:
    """The keys whose value a schedule changes, with what it is once the schedule is over."""
    training = config["training"]
    schedule = training.get("lr_schedule", {"kind": "constant"})
    values = {}
    if schedule["kind"] != "constant":
        values["optimizer.lr"] = config["optimizer"]["lr"] * schedule["final_ratio"]
    if training.get("ent_coef_final") is not None:
        values["training.ent_coef"] = training["ent_coef_final"]
    if training.get("prio_alpha") and training["prio_beta0"] != 1:
        values["training.prio_beta0"] = 1.0
    return values


def beyond_schedule(config: dict[str, Any], planned: int | None, end: int) -> str | None:
    """What to say of a run to iteration `end` that outlives its schedules; None if none does."""
    length = schedule_length(config, planned)
    if length is None or end <= length:
        return None
    values = " and ".join(f"{name} stays {value:g}" for name, value in last_values(config).items())
    return (
        f"from iteration {length} on {values}, for its schedule has {length} iterations; "
        f"{_LENGTH} can be larger"
    )


def is_time_to_save(logging: dict[str, Any], iteration: int) -> bool:
    """Whether a run of `iteration` iterations by now is saved, as the section `logging` says."""
    frequency, keep_every = logging["checkpoint_freq"], logging["keep_every"]
    due = frequency and (iteration - 1) % frequency == 0
    return bool(due or (keep_every and iteration % keep_every == 0))


def is_used_up(learning: dict[str, Any], elapsed_s: float, num_without_improvement: int) -> bool:
    """Whether the budget of time or the patience of the section `learning` ends a run."""
    budget, patience = learning["time_budget_s"], learning["patience"]
    return (budget is not None and elapsed_s >= budget) or (
        patience is not None and num_without_improvement >= patience
    )
