"""The run config: what each key means, its default and its range.

A config is JSON with the sections `env_cls`, `env`, `policy_cls`, `policy`, `algorithm_cls` and
`algorithm`. The models below are the one place that says what `algorithm` may hold, and what
`env` and `policy` may hold for the classes of this package; for other classes these two are
passed to the constructor as they are. `specs/config.schema.json` is written from here:

    python -m twisterl.config.schema --write specs/config.schema.json

A missing key takes its default, at every level; an unknown one is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Cores = Annotated[int, Field(ge=1, le=4096)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Side = Annotated[int, Field(ge=2, le=16)]
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


class BasicPolicyArguments(Section):
    """Embedding bag, common layers, then one stack for the policy and one for the value."""

    embedding_size: Width = Field(512, description="width of the first layer")
    common_layers: Widths = Field([256], description="widths of the layers of both heads")
    policy_layers: Widths = Field([], description="widths of further layers before the logits")
    value_layers: Widths = Field([], description="widths of further layers before the value")
    twists: bool = Field(True, description="whether it sees the symmetries of the environment")
    device: str | None = Field(
        None, exclude=True, description="what algorithm.device is where that is null"
    )


class Conv1dPolicyArguments(BasicPolicyArguments):
    """As BasicPolicy, with weights shared along one axis of a two-dimensional observation."""

    conv_dim: Annotated[int, Field(ge=0, le=1)] = Field(
        0, description="axis of the observation that is the channels"
    )


def _max_episode_steps() -> Any:
    text = (
        "an episode of more steps is an error; "
        "null: 100,000, or none where something else is known to end it"
    )
    return Field(None, description=text)


class PPOCollecting(Section):
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_episodes: Count = Field(512 * 32, description="of each iteration")
    gae_lambda: Fraction = Field(
        0.995, alias="lambda", description="of the advantages: 0 one step, 1 the whole return"
    )
    gamma: Fraction = Field(0.995, description="discount of each step")
    truncation: Literal["terminal", "bootstrap"] = Field(
        "terminal",
        description="a used-up depth ends the episode, or is cut off and bootstrapped",
    )
    difficulty_distribution: Literal["fixed", "uniform"] = Field(
        "fixed", description="each episode at the difficulty, or drawn from 1 to it"
    )
    cache: bool = Field(True, description="evaluate each state once per collection")
    max_episode_steps: EpisodeSteps | None = _max_episode_steps()


class AZCollecting(Section):
    """Self-play; every move is the outcome of a tree search."""

    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_episodes: Count = Field(512, description="of each iteration")
    num_mcts_searches: Count = Field(1000, description="simulations for each move")
    exploration: SearchWeight = Field(1.41, alias="C", description="weight of the prior in PUCT")
    max_expand_depth: Steps = Field(1, description="states that a simulation adds to the tree")
    seed: Seed = Field(123, description="added to the seed of the algorithm")
    gamma: Fraction = Field(1.0, description="discount of each step")
    root_selection: Literal["puct", "gumbel"] = Field(
        "puct", description="gumbel: sequential halving, for few simulations"
    )
    max_considered_actions: Count = Field(16, description="actions that gumbel starts with")
    value_weight: Positive = Field(1.0, description="weight of the value in gumbel, its c_scale")
    dirichlet_alpha: Positive = Field(0.3, description="shape of the noise in the root's priors")
    exploration_fraction: Fraction = Field(0.0, description="share of that noise")
    temperature_moves: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="moves drawn by visits, the most visited follow; null: all"
    )
    max_moves: Steps | None = Field(None, description="moves after which an episode is cut off")
    truncation: Literal["terminal", "bootstrap"] = Field(
        "terminal",
        description="a used-up depth ends the episode, or is cut off and bootstrapped",
    )
    difficulty_distribution: Literal["fixed", "uniform"] = Field(
        "fixed", description="each episode at the difficulty, or drawn from 1 to it"
    )
    resign_threshold: float | None = Field(
        None, description="end an episode whose root is worth less; null: never"
    )
    resign_exempt: Fraction = Field(0.1, description="share of the episodes that never resign")
    reuse: bool = Field(True, description="keep the tree below the move that was played")
    cache: bool = Field(True, description="evaluate each state once per collection")
    max_episode_steps: EpisodeSteps | None = _max_episode_steps()


class RandomWalkCollecting(Section):
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_walks: Count = Field(1000, description="of each iteration")
    walk_length: Steps = Field(100, description="moves; every state on a walk is a sample")


class ESCollecting(Section):
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    num_pairs: Annotated[int, Field(ge=1, le=100_000)] = Field(
        64, description="members of the population, each with its mirror image"
    )
    num_episodes: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        64, description="that every member plays, from the same starts"
    )
    difficulty_distribution: Literal["fixed", "uniform"] = Field(
        "fixed", description="each episode at the difficulty, or drawn from 1 to it"
    )
    player: Literal["policy", "value"] = Field(
        "policy", description="plays the largest logit, or towards the largest value"
    )


class LrSchedule(Section):
    """Learning rate over the iterations, from `optimizer.lr` to `final_ratio` times it."""

    kind: Literal["constant", "linear", "cosine"] = Field("constant", description="the shape")
    num_iterations: Count | None = Field(
        None, description="null: the planned length of the run, which must be known"
    )
    final_ratio: Fraction = Field(0.0, description="last rate over first rate")


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


class ESTraining(Section):
    num_generations: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10, description="generations of an iteration"
    )
    sigma: Positive = Field(0.05, description="standard deviation of the noise")
    lr: Positive | None = Field(None, description="another name of optimizer.lr", exclude=True)
    lr_schedule: LrSchedule = Field(default_factory=LrSchedule)


class AZTraining(Training):
    """Each epoch draws as many samples as the iteration collected."""

    policy_coef: NotNegative = Field(1.0, description="weight of the policy's loss")
    vf_coef: NotNegative = Field(1.0, description="weight of the value's loss")
    l2: NotNegative = Field(0.0, description="weight of the sum of all squared parameters")
    replay_size: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        0, description="newest samples to draw from; 0: those of the iteration alone"
    )


class PPOTraining(Training):
    vf_coef: NotNegative = Field(0.8, description="weight of the value's loss")
    ent_coef: NotNegative = Field(0.01, description="weight of the policy's entropy")
    ent_coef_final: NotNegative | None = Field(
        None, description="ent_coef at the end of the lr_schedule; null: constant"
    )
    clip_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="how far an update may move an action's probability, as a ratio"
    )
    normalize_advantage: bool = Field(False, description="to mean 0 and deviation 1 over a rollout")
    target_kl: Positive | None = Field(None, description="stop the epochs beyond it")


class RandomWalkTraining(Training):
    num_epochs: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1, description="passes over the samples of an iteration"
    )
    vf_coef: NotNegative = Field(1.0, description="weight of the value's loss")
    sample_power: Fraction = Field(
        1.0, description="a state met n times weighs n to this power: 1 as met, 0 all alike"
    )
    minibatch_size: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        1024, description="distinct states; null: all of an iteration"
    )
    precision: Literal["f32", "bf16"] = Field(
        "f32", description="of the layers' products; weights and updates are f32"
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
    num_steps: Annotated[int, Field(ge=0, le=10**10)] | None = Field(
        None, description="planned length of the run, in iterations; --num_steps replaces it"
    )
    time_budget_s: Seconds | None = Field(
        None, description="seconds of training, of all parts of a run, after which it ends"
    )
    patience: Count | None = Field(
        None, description="evaluations of diff_metric without a new best after which a run ends"
    )


class Optimizer(Section):
    """Adam."""

    lr: Positive = Field(3e-4, description="learning rate")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), strict=False, description="decay of the two moments"
    )
    eps: Positive = Field(1e-8, description="added to the second moment's root")
    weight_decay: NotNegative = Field(0.0, description="pull of every weight towards 0")
    amsgrad: bool = Field(False, description="keep the largest second moment")


class ESOptimizer(Section):
    """Adam, or momentum, which is the first beta; weight decay is decoupled."""

    rule: Literal["adam", "momentum"] = Field("adam", description="how weights are moved")
    lr: Positive = Field(0.02, description="learning rate")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), strict=False, description="decay of the two moments"
    )
    eps: Positive = Field(1e-8, description="added to the second moment's root")
    weight_decay: NotNegative = Field(0.0, description="pull of every weight towards 0")


class Evaluation(Section):
    """`num_episodes` episodes; each is solved if one of `num_searches` tries solves it.

    With AZ, `C`, `max_expand_depth`, `root_selection` and `gamma` are those of `collecting` where
    they are not given.
    """

    num_episodes: Count = Field(100, description="starts")
    deterministic: bool = Field(True, description="the likeliest action, or one drawn")
    num_searches: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="tries of each start"
    )
    num_mcts_searches: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0, description="simulations for each move; 0: no tree search"
    )
    seed: Seed = Field(0, description="of the starts and of what is drawn")
    num_cores: Cores = Field(32, description="threads; capped at the cores of the machine")
    exploration: SearchWeight = Field(1.41, alias="C", description="weight of the prior in PUCT")
    max_expand_depth: Steps = Field(1, description="states that a simulation adds to the tree")
    start: Literal["reset", "uniform"] = Field(
        "reset", description="scrambled by the difficulty, or any solvable state"
    )
    freq: Steps = Field(
        1, description="every that many iterations, and after the last of the planned ones"
    )
    strategy: Literal["greedy", "sample", "value", "mcts", "beam"] | None = Field(
        None,
        description="value: towards the largest value; "
        "null: mcts with num_mcts_searches, else as deterministic says",
    )
    root_selection: Literal["puct", "gumbel"] = Field(
        "puct", description="how mcts chooses at its root"
    )
    gamma: Fraction = Field(1.0, description="discount in mcts, that of the training best")
    beam_width: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        64, description="states that beam keeps at every depth"
    )
    beam_value_weight: SearchWeight = Field(
        0.0, description="what a value adds to a path's log-probability in beam"
    )
    time_limit_s: Seconds | None = Field(None, description="for each start")
    node_limit: Annotated[int, Field(ge=1, le=10**12)] | None = Field(
        None, description="states given to the policy for each start"
    )
    max_episode_steps: EpisodeSteps | None = _max_episode_steps()


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


class _Algorithm(Section):
    device: Annotated[str, BeforeValidator(_device_name)] | None = Field(
        None, description="null: policy.device, else cuda where there is one, else cpu"
    )
    seed: Seed = Field(0, description="of all that is drawn; equal seeds give equal runs")
    policy: dict[str, Any] = Field(default_factory=dict, description="kept, not read")
    evals: dict[Annotated[str, Field(pattern=r"^[\w .+-]{1,64}$")], Evaluation] = Field(
        default_factory=dict
    )
    learning: Learning = Field(default_factory=Learning)
    logging: Logging = Field(default_factory=Logging)


class PPOAlgorithm(_Algorithm):
    collecting: PPOCollecting = Field(default_factory=PPOCollecting)
    training: PPOTraining = Field(default_factory=PPOTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)


class AZAlgorithm(_Algorithm):
    collecting: AZCollecting = Field(default_factory=AZCollecting)
    training: AZTraining = Field(default_factory=AZTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)


class RandomWalkAlgorithm(_Algorithm):
    collecting: RandomWalkCollecting = Field(default_factory=RandomWalkCollecting)
    training: RandomWalkTraining = Field(default_factory=RandomWalkTraining)
    optimizer: Optimizer = Field(default_factory=Optimizer)


class ESAlgorithm(_Algorithm):
    collecting: ESCollecting = Field(default_factory=ESCollecting)
    training: ESTraining = Field(default_factory=ESTraining)
    optimizer: ESOptimizer = Field(default_factory=ESOptimizer)


class Run(BaseModel):
    """A run config."""

    model_config = ConfigDict(strict=True)

    env_cls: str = Field(description="dotted path of the environment class, or its short name")
    env: dict[str, Any] = Field(default_factory=dict, description="its constructor arguments")
    policy_cls: str = Field(description="dotted path of the policy class, or its short name")
    policy: dict[str, Any] = Field(default_factory=dict, description="its constructor arguments")
    algorithm_cls: str = Field(description="dotted path of the algorithm class, or its short name")
    algorithm: dict[str, Any] = Field(default_factory=dict)


ALGORITHMS: dict[str, type[_Algorithm]] = {
    "PPO": PPOAlgorithm,
    "AZ": AZAlgorithm,
    "RandomWalk": RandomWalkAlgorithm,
    "ES": ESAlgorithm,
}

# States of one search tree, at most: those of `num_mcts_searches + 1` visits.
MOST_TREE_STATES = 1 << 22
# What a tree search goes by besides its number of simulations, as AZ's collection and `evals` say.
TREE_RULES = ("C", "max_expand_depth", "root_selection", "gamma")
# Below a Gumbel root a tree is kept until it holds the simulations of so many moves.
KEPT_MOVES = 4

# The evaluations that a config may name without describing them.
PRESETS: dict[str, dict[str, Any]] = {
    "ppo_deterministic": {"deterministic": True, "num_searches": 1},
    "ppo_1": {"deterministic": False, "num_searches": 1},
    "ppo_10": {"deterministic": False, "num_searches": 10},
    "beam_64": {"strategy": "beam", "beam_width": 64},
    "mcts_100": {"deterministic": True, "num_searches": 1, "num_mcts_searches": 100},
}
# Evaluating PPO by search is slow and is done only where a config asks for it.
DEFAULT_EVALS = {
    "PPO": ["ppo_deterministic", "ppo_1", "ppo_10"],
    "AZ": ["ppo_deterministic", "ppo_1", "ppo_10", "mcts_100"],
    "RandomWalk": ["ppo_deterministic", "ppo_1", "beam_64"],
    "ES": ["ppo_deterministic"],
}


# The classes of this package: short name, kind, where it is, what its constructor takes.
REGISTRY: dict[str, dict[str, tuple[str, type[BaseModel] | None]]] = {
    "env_cls": {
        "Puzzle": ("twisterl.envs.Puzzle", PuzzleArguments),
        "LightsOut": ("twisterl.envs.LightsOut", LightsOutArguments),
        "Cube2": ("twisterl.envs.Cube2", Cube2Arguments),
        "Permutation": ("twisterl.envs.Permutation", PermutationArguments),
        "LinearFunction": ("twisterl.envs.LinearFunction", LinearFunctionArguments),
        "GridWorld": ("twisterl.envs.GridWorld", GridWorldArguments),
        "TopSpin": ("twisterl.envs.TopSpin", TopSpinArguments),
        "PyEnv": ("twisterl.envs.PyEnv", PyEnvArguments),
    },
    "policy_cls": {
        "BasicPolicy": ("twisterl.nn.BasicPolicy", BasicPolicyArguments),
        "Conv1dPolicy": ("twisterl.nn.Conv1dPolicy", Conv1dPolicyArguments),
    },
    "algorithm_cls": {
        "PPO": ("twisterl.rl.PPO", PPOAlgorithm),
        "AZ": ("twisterl.rl.AZ", AZAlgorithm),
        "RandomWalk": ("twisterl.rl.RandomWalk", RandomWalkAlgorithm),
        "ES": ("twisterl.rl.ES", ESAlgorithm),
    },
}


def registered(kind: str, path: str) -> str | None:
    """The short name under which `path` is registered as a `kind`, or None.

    >>> registered("policy_cls", "twisterl.nn.policy.BasicPolicy")
    'BasicPolicy'
    """
    name = path.rsplit(".", 1)[-1]
    if name not in REGISTRY[kind]:
        return None
    package = REGISTRY[kind][name][0].rsplit(".", 1)[0]
    return name if path == name or path.startswith(f"{package}.") else None
