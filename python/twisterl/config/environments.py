"""What the environments of this package take: the section `env`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from twisterl.config.values import Difficulty, Natural, Pairs, Section, Side, Steps


class _EnvArguments(Section):
    """What every environment of this package takes."""

    difficulty: Difficulty = Field(1, description="random actions that scramble a solved state")
    depth_slope: Steps = Field(2, description="steps of an episode for each unit of difficulty")
    max_depth: Steps = Field(256, description="steps left after set_state")


class PuzzleArguments(_EnvArguments):
    """The sliding puzzle."""

    width: Annotated[int, Field(ge=1, le=16)] = Field(3, description="cells in a row")
    height: Annotated[int, Field(ge=1, le=16)] = Field(3, description="rows")
    forbid_undo: bool = Field(
        False, description="masks the action that undoes the last one that moved the blank"
    )


class LightsOutArguments(_EnvArguments):
    """Lights Out: a press flips a lamp and its neighbours."""

    width: Side = Field(5, description="cells in a row")
    height: Side = Field(5, description="rows")


class Cube2Arguments(_EnvArguments):
    """The 2x2x2 cube with one corner held."""

    metric: Literal["quarter", "half"] = Field(
        "quarter", description="whether a half turn is one action too"
    )


class _CoupledArguments(_EnvArguments):
    """On a coupling graph, which is a named topology or given by its edges."""

    topology: Literal["line", "ring", "grid", "star"] = Field(
        "line", description="which pairs are coupled"
    )
    edges: Pairs | None = Field(None, description="in place of the topology's")


class PermutationArguments(_CoupledArguments):
    """Permutation routing on a coupling graph."""

    num_qubits: Annotated[int, Field(ge=2, le=32)] = Field(5, description="vertices, tokens")


class LinearFunctionArguments(_CoupledArguments):
    """CNOT synthesis on a coupling graph, whose edges are [control, target]."""

    num_qubits: Annotated[int, Field(ge=2, le=16)] = Field(5, description="rows of the matrix")


class GridWorldArguments(_EnvArguments):
    """A walk around walls to a random goal."""

    width: Side = Field(5, description="cells in a row")
    height: Side = Field(5, description="rows")
    wall_density: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.2, description="probability of a wall at each cell, drawn for every episode"
    )
    walls: list[Natural] | None = Field(None, description="their cells, in place of random ones")


class TopSpinArguments(_EnvArguments):
    """Tokens on a ring, and a turnstile."""

    num_tokens: Annotated[int, Field(ge=4, le=32)] = Field(20, description="tokens, places")
    turnstile: Annotated[int, Field(ge=2, le=30)] = Field(
        4, description="places that flip turns over: even, at most num_tokens - 2"
    )


class PyEnvArguments(Section):
    """An environment written in Python; the other keys are arguments of its class."""

    model_config = ConfigDict(extra="allow")
    pyenv_cls: str = Field(description="dotted path of the class")


ENVIRONMENTS: dict[str, type[BaseModel]] = {
    "Puzzle": PuzzleArguments,
    "LightsOut": LightsOutArguments,
    "Cube2": Cube2Arguments,
    "Permutation": PermutationArguments,
    "LinearFunction": LinearFunctionArguments,
    "GridWorld": GridWorldArguments,
    "TopSpin": TopSpinArguments,
    "PyEnv": PyEnvArguments,
}
