"""What the environments of the compiled package take; written by scripts/generate.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twisterl.config.values import Natural, Pairs, Section


class PuzzleArguments(Section):
    """The sliding puzzle on a board of `width` x `height`, 1 to 16 each."""

    width: Annotated[int, Field(ge=1, le=16)] = Field(3, description="cells in a row")
    height: Annotated[int, Field(ge=1, le=16)] = Field(3, description="rows")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )
    forbid_undo: bool = Field(
        False, description="masks the action that undoes the last one that moved the blank"
    )
    reflection: bool = Field(False, description="a symmetry of square boards: columns for rows")


class LightsOutArguments(Section):
    """Lights Out on `width` x `height` lamps: a press flips a lamp and its neighbours."""

    width: Annotated[int, Field(ge=2, le=16)] = Field(5, description="cells in a row")
    height: Annotated[int, Field(ge=2, le=16)] = Field(5, description="rows")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class Cube2Arguments(Section):
    """Rubik's 2x2x2 cube with one corner held, in quarter or half turns (`metric`)."""

    metric: Literal["quarter", "half"] = Field(
        "quarter", description="whether a half turn is one action too"
    )
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class PermutationArguments(Section):
    """Permutation routing: swaps along the edges of a graph bring every token home."""

    num_qubits: Annotated[int, Field(ge=2, le=65)] = Field(5, description="vertices, tokens")
    topology: Literal[
        "line",
        "ring",
        "grid",
        "star",
        "heavy_hex",
        "all_to_all",
        "yorktown",
        "falcon_5",
        "falcon_7",
        "melbourne",
        "falcon_16",
        "almaden",
        "falcon_27",
        "rochester",
        "hummingbird_65",
        "rueschlikon",
        "johannesburg",
        "tokyo",
        "cambridge",
        "prague",
    ] = Field("line", description="which pairs are coupled")
    edges: Pairs | None = Field(None, description="in place of the topology's")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class LinearFunctionArguments(Section):
    """CNOT synthesis: an invertible matrix over GF(2), brought to the identity."""

    num_qubits: Annotated[int, Field(ge=2, le=16)] = Field(5, description="rows of the matrix")
    topology: Literal[
        "line",
        "ring",
        "grid",
        "star",
        "heavy_hex",
        "all_to_all",
        "yorktown",
        "falcon_5",
        "falcon_7",
        "melbourne",
        "falcon_16",
        "almaden",
        "falcon_27",
        "rochester",
        "hummingbird_65",
        "rueschlikon",
        "johannesburg",
        "tokyo",
        "cambridge",
        "prague",
    ] = Field("line", description="which pairs are coupled")
    edges: Pairs | None = Field(None, description="in place of the topology's")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class CliffordArguments(Section):
    """Clifford synthesis: two-qubit rotations bring a Clifford to single-qubit ones."""

    num_qubits: Annotated[int, Field(ge=2, le=16)] = Field(5, description="qubits")
    topology: Literal[
        "line",
        "ring",
        "grid",
        "star",
        "heavy_hex",
        "all_to_all",
        "yorktown",
        "falcon_5",
        "falcon_7",
        "melbourne",
        "falcon_16",
        "almaden",
        "falcon_27",
        "rochester",
        "hummingbird_65",
        "rueschlikon",
        "johannesburg",
        "tokyo",
        "cambridge",
        "prague",
    ] = Field("line", description="which pairs are coupled")
    edges: Pairs | None = Field(None, description="in place of the topology's")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class PauliNetworkArguments(Section):
    """Pauli networks: two-qubit rotations bring Paulis to single qubits, then a Clifford."""

    num_qubits: Annotated[int, Field(ge=2, le=16)] = Field(5, description="qubits")
    topology: Literal[
        "line",
        "ring",
        "grid",
        "star",
        "heavy_hex",
        "all_to_all",
        "yorktown",
        "falcon_5",
        "falcon_7",
        "melbourne",
        "falcon_16",
        "almaden",
        "falcon_27",
        "rochester",
        "hummingbird_65",
        "rueschlikon",
        "johannesburg",
        "tokyo",
        "cambridge",
        "prague",
    ] = Field("line", description="which pairs are coupled")
    edges: Pairs | None = Field(None, description="in place of the topology's")
    num_rotations: Annotated[int, Field(ge=1, le=32)] = Field(
        4, description="the most that a state has"
    )
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class GridWorldArguments(Section):
    """An agent walks around walls to a random goal."""

    width: Annotated[int, Field(ge=2, le=16)] = Field(5, description="cells in a row")
    height: Annotated[int, Field(ge=2, le=16)] = Field(5, description="rows")
    wall_density: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.2, description="probability of a wall at each cell, drawn for every episode"
    )
    walls: list[Natural] | None = Field(None, description="their cells, in place of random ones")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class TopSpinArguments(Section):
    """TopSpin: tokens on a ring, of which a turnstile turns some over."""

    num_tokens: Annotated[int, Field(ge=4, le=32)] = Field(20, description="tokens, places")
    turnstile: Annotated[int, Field(ge=2, le=30)] = Field(
        4, description="places that flip turns over: even, at most num_tokens - 2"
    )
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class PancakeArguments(Section):
    """Pancake sorting: a spatula turns over the top of a pile, plain or burnt on one side."""

    num_pancakes: Annotated[int, Field(ge=2, le=32)] = Field(10, description="in the pile")
    burnt: bool = Field(False, description="whether one side of each is burnt and must be down")
    difficulty: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="random actions that scramble a solved state"
    )
    depth_slope: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        2, description="steps of an episode for each unit of difficulty"
    )
    max_depth: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        256, description="steps left after set_state"
    )


class CartPoleArguments(Section):
    """A pole on a cart that is pushed to the left or the right, to be kept upright: Gymnasium's."""

    sutton_barto_reward: bool = Field(
        False,
        description="0 while the pole stands and -1 when it falls, in place of 1 for every step",
    )
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        500, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        475.0, description="the return that makes it a success"
    )


class PendulumArguments(Section):
    """A pendulum that a weak torque swings up and keeps upright: Gymnasium's."""

    g: Annotated[float, Field(ge=0, le=1_000)] = Field(10.0, description="gravity, m/s^2")
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        200, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        -200.0, description="the return that makes it a success"
    )


class MountainCarContinuousArguments(Section):
    """A car that must swing to get up a hill, driven by a force: Gymnasium's."""

    goal_velocity: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0, description="the least that counts at the goal"
    )
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        999, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        90.0, description="the return that makes it a success"
    )


class TMazeArguments(Section):
    """A corridor whose first step alone shows which way to turn at its end: a test of memory."""

    length: Annotated[int, Field(ge=1, le=10_000)] = Field(
        10, description="steps from the start to the junction"
    )
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        100, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        0.5, description="the return that makes it a success"
    )


class CatchArguments(Section):
    """A paddle under a falling ball, seen as an image of bytes."""

    width: Annotated[int, Field(ge=2, le=64)] = Field(10, description="columns")
    height: Annotated[int, Field(ge=2, le=64)] = Field(10, description="rows")
    pixels: Annotated[int, Field(ge=1, le=32)] = Field(1, description="side of a cell in the image")
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        64, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        1.0, description="the return that makes it a success"
    )


class TwoWalkersArguments(Section):
    """Two agents who each go to a place of their own and must not block each other."""

    width: Annotated[int, Field(ge=2, le=32)] = Field(4, description="cells in a row")
    height: Annotated[int, Field(ge=1, le=32)] = Field(4, description="rows")
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        50, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        0.5, description="the return that makes it a success"
    )


class CliffWalkingArguments(Section):
    """A walk along a cliff, which costs 100 to fall down: Gymnasium's."""

    width: Annotated[int, Field(ge=2, le=64)] = Field(12, description="cells in a row")
    height: Annotated[int, Field(ge=2, le=64)] = Field(4, description="rows")
    max_episode_steps: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        200, description="then it is cut off"
    )
    solved_at: Annotated[float, Field(ge=-1_000_000_000, le=1_000_000_000)] = Field(
        -15.0, description="the return that makes it a success"
    )


ENVIRONMENTS: dict[str, type[Section]] = {
    "Puzzle": PuzzleArguments,
    "LightsOut": LightsOutArguments,
    "Cube2": Cube2Arguments,
    "Permutation": PermutationArguments,
    "LinearFunction": LinearFunctionArguments,
    "Clifford": CliffordArguments,
    "PauliNetwork": PauliNetworkArguments,
    "GridWorld": GridWorldArguments,
    "TopSpin": TopSpinArguments,
    "Pancake": PancakeArguments,
    "CartPole": CartPoleArguments,
    "Pendulum": PendulumArguments,
    "MountainCarContinuous": MountainCarContinuousArguments,
    "TMaze": TMazeArguments,
    "Catch": CatchArguments,
    "TwoWalkers": TwoWalkersArguments,
    "CliffWalking": CliffWalkingArguments,
}
