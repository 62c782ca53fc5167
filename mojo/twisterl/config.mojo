"""The run config: the JSON files that all languages share, for `twisterl.rl.ES`.

A missing key takes its default, an unknown one is refused with its path. The defaults and ranges
are those of `specs/config.schema.json`, by `keys.mojo`; `specs/cases` holds configs that both must judge alike.
"""

from .episodes import Player
from .es import EsSettings
from .json import ABSENT, Json, Kind
from .optimizer import Decline, OptimizerSettings, Rule
from .puzzle import Settings
from .section import Section, fault, number_at

comptime MAX_BYTES = 1 << 20
"""Largest config file that is read, in bytes."""
comptime LARGEST_STEPS = 1_000_000
"""Upper bound of difficulties, depths, searches and intervals."""
comptime PRESET = "ppo_deterministic"
"""The evaluation that a config may name without describing it."""
comptime LARGEST_SEED = (1 << 62) - 1 + (1 << 62)
"""The largest `Int`, 2^63 - 1, as in every language."""


@fieldwise_init
struct Evaluation(Copyable, Movable):
    """One entry of `evals`."""

    var name: String
    """Its key in `evals`."""
    var num_episodes: Int
    """Boards that are played."""
    var deterministic: Bool
    """Always true: ES plays greedily."""
    var num_searches: Int
    """Tries for each board; all greedy ones are alike, so Mojo plays one."""
    var seed: Int
    """Names the boards: the same seed, the same boards."""
    var uniform_start: Bool
    """Boards are drawn from all solvable ones instead of scrambled by the current difficulty."""
    var every: Int
    """Iterations from one to the next."""


@fieldwise_init
struct Learning(Copyable, Movable):
    """The curriculum, and how long a run is."""

    var threshold: Float64
    """Success of the metric at which the difficulty begins to rise; above 1: never."""
    var threshold_min: Float64
    """Once it rises, it goes on until the success is below this."""
    var max_difficulty: Int
    """The difficulty rises no further than this."""
    var metric: String
    """Name of the evaluation whose success raises the difficulty; empty: none does."""
    var is_metric_named: Bool
    """Whether the config says the metric."""
    var step: Int
    """Added to the difficulty each time."""
    var warmup: Int
    """Up to this difficulty 1 is added instead."""
    var num_iterations: Int
    """0: nothing bounds the run."""
    var time_budget_s: Float64
    """Seconds after which the run ends; 0: none."""


struct Config(Movable):
    """A run as its config describes it."""

    var width: Int
    """Cells in a row of the board, 2 to 16."""
    var height: Int
    """Rows of the board, 2 to 16."""
    var puzzle: Settings
    """Parameters of the board, with the difficulty at the start."""
    var embedding_size: Int
    """Hidden units H of the network."""
    var num_cores: Int
    """Cores that may be used, 1 to 4096; the machine and the command line may have fewer."""
    var es: EsSettings
    """Population, noise and optimizer."""
    var is_rate_given: Bool
    """Whether the section `optimizer` says a learning rate."""
    var generations_per_iteration: Int
    """Updates from one look at the evaluations, log and savings to the next."""
    var seed: Int
    """Seed of weights, boards and noise."""
    var learning: Learning
    """The curriculum, and how long a run is."""
    var evaluations: List[Evaluation]
    """In the order of the file; `PRESET` comes last where only the metric names it."""
    var has_schedule_length: Bool
    """Whether `lr_schedule` has a length of its own, or takes that of the run."""
    var log_every: Int
    """Iterations from one line to the next; 0: no lines."""
    var save_every: Int
    """Iterations from one saving to the next; 0: at the end only."""

    def __init__(out self, text: String) raises:
        """The config in `text`.

        Args:
            text: The content of a config file.

        Raises:
            If it is not JSON, or naming the first key that is unknown, missing or out of range.
        """
        # Some editors begin a file so, which is no part of its JSON.
        var document = Json.parse(String(text.removeprefix("\uFEFF")))
        if document.kind(0) != Kind.OBJECT:
            raise Error("holds no JSON object")
        var top = Section(document, 0, "", "")
        require_class(top, document, "env_cls", "twisterl.envs.", "Puzzle")
        require_class(
            top, document, "policy_cls", "twisterl.nn.", "BasicPolicy"
        )
        require_class(top, document, "algorithm_cls", "twisterl.rl.", "ES")

        var env = top.section(document, "env")
        self.width = env.integer(document, "width")
        self.height = env.integer(document, "height")
        self.puzzle = Settings(
            env.integer(document, "difficulty"),
            env.integer(document, "depth_slope"),
            env.integer(document, "max_depth"),
            env.boolean(document, "forbid_undo"),
        )
        var is_reflected = env.boolean(document, "reflection")
        env.finish(document)

        var policy = top.section(document, "policy")
        self.embedding_size = policy.integer(document, "embedding_size")
        comptime one_layer = "ES trains one hidden layer"
        if (
            policy.node == ABSENT
            or document.member(policy.node, "common_layers") == ABSENT
        ):
            raise Error(
                "policy.common_layers: expected [] (",
                one_layer,
                "), got [256] by default",
            )
        policy.empty_list(document, "common_layers", one_layer)
        policy.empty_list(document, "policy_layers", one_layer)
        policy.empty_list(document, "value_layers", one_layer)
        policy.ignore(document, "device")
        if policy.boolean(document, "twists") and is_reflected:
            raise Error(
                "env.reflection: expected false, or policy.twists false (ES of"
                " this program sees boards as they are)"
            )
        _ = policy.boolean(document, "squash")
        policy.finish(document)

        var algorithm = top.section(document, "algorithm")
        algorithm.ignore(document, "device", "policy")
        self.seed = algorithm.integer(document, "seed")
        var es = EsSettings()
        var collecting = algorithm.section(document, "collecting")
        self.num_cores = collecting.integer(document, "num_cores")
        es.num_pairs = collecting.integer(document, "num_pairs")
        es.num_episodes = collecting.integer(document, "num_episodes")
        es.uniform_difficulty = (
            collecting.choice(document, "difficulty_distribution") == 1
        )
        es.player = Player(collecting.choice(document, "player"))
        if not collecting.is_null(document, "workers"):
            raise Error(
                collecting.at("workers"),
                ": expected null: this program plays on one machine",
            )
        collecting.finish(document)
        self.learning = read_learning(algorithm, document)
        self.generations_per_iteration = 1
        es.optimizer = read_optimizer(algorithm, document)
        var optimizer = document.member(algorithm.node, "optimizer") if (
            algorithm.node != ABSENT
        ) else ABSENT
        self.is_rate_given = (
            optimizer != ABSENT and document.member(optimizer, "lr") != ABSENT
        )
        self.es = es
        self.evaluations = List[Evaluation]()
        self.has_schedule_length = False
        self.log_every = 1
        self.save_every = 10
        self.read_training(algorithm, document)
        self.read_evaluations(algorithm, document)
        var logging = algorithm.section(document, "logging")
        self.log_every = logging.integer(document, "log_freq")
        self.save_every = logging.integer(document, "checkpoint_freq")
        # This port keeps one state, the last.
        for key, only in [("keep_last", 1), ("keep_every", 0)]:
            var kept = logging.integer(document, key)
            if kept != only:
                raise Error(
                    logging.at(key), ": expected ", only, ", got ", kept
                )
        logging.finish(document)
        algorithm.finish(document)
        top.finish(document)
        self.require_metric(document)

    def read_training(mut self, mut algorithm: Section, document: Json) raises:
        """Reads the section `training`.

        Args:
            algorithm: The section `algorithm`.
            document: The config.

        Raises:
            Naming the key that is unknown or out of range, or a decline without a length.
        """
        var training = algorithm.section(document, "training")
        self.generations_per_iteration = training.integer(
            document, "num_generations"
        )
        self.es.sigma = training.number(document, "sigma")
        var rate = training.optional_number(document, "lr")
        if rate:
            ref optimizer = self.es.optimizer
            if optimizer.rate != rate.value() and self.is_rate_given:
                raise Error(
                    "algorithm.training.lr: expected that of optimizer.lr, ",
                    optimizer.rate,
                    ", or only one of them, got ",
                    rate.value(),
                )
            optimizer.rate = rate.value()
        var schedule = training.section(document, "lr_schedule")
        var kind = schedule.choice(document, "kind")
        self.es.optimizer.decline = Decline(kind)
        var iterations = self.learning.num_iterations
        var length = schedule.optional_integer(document, "num_iterations")
        if length:
            self.has_schedule_length = True
            iterations = length.value()
        if kind > 0 and iterations == 0:
            raise Error(
                "algorithm.training.lr_schedule.num_iterations: expected a"
                " count, or a run whose length learning.num_steps says, got"
                " null"
            )
        self.es.optimizer.decline_generations = max(
            1, iterations * self.generations_per_iteration
        )
        self.es.optimizer.final_ratio = schedule.number(document, "final_ratio")
        schedule.finish(document)
        training.finish(document)

    def read_evaluations(
        mut self, mut algorithm: Section, document: Json
    ) raises:
        """Reads the section `evals`; where it is missing, `PRESET` is played.

        Args:
            algorithm: The section `algorithm`.
            document: The config.

        Raises:
            Naming the key that is unknown or out of range, or an evaluation that is not greedy.
        """
        var section = algorithm.section(document, "evals")
        if section.node == ABSENT:
            self.add_preset(document)
            return
        for index in range(document.length(section.node)):
            var name = document.key(section.node, index)
            var node = document.item(section.node, index)
            self.evaluations.append(read_evaluation(document, node, name))

    def require_metric(mut self, document: Json) raises:
        """Adds the preset where the config names it, refuses another `diff_metric` of no entry.

        Without evaluations there is no metric, whatever the config says.

        Args:
            document: The config.

        Raises:
            If `diff_metric` is neither a key of `evals`, nor null, nor `PRESET` by name.
        """
        ref learning = self.learning
        if len(self.evaluations) == 0:
            learning.metric = ""
        if learning.metric == "":
            return
        for evaluation in self.evaluations:
            if evaluation.name == learning.metric:
                return
        if learning.metric != PRESET or not learning.is_metric_named:
            raise Error(
                "algorithm.learning.diff_metric: expected a key of evals, or",
                " null, got ",
                learning.metric,
                "" if learning.is_metric_named else " by default",
            )
        self.add_preset(document)

    def add_preset(mut self, document: Json) raises:
        """Adds the evaluation `PRESET`, which is all defaults.

        Args:
            document: The config.

        Raises:
            Never: it is the defaults alone.
        """
        self.evaluations.append(read_evaluation(document, ABSENT, PRESET))


def read_evaluation(
    document: Json, node: Int, name: String
) raises -> Evaluation:
    """Reads one entry of `evals`; keys of other strategies are checked, not used.

    Args:
        document: The config.
        node: The entry in it, or `ABSENT`: then it is the defaults.
        name: Its key; some names come with settings of their own, as in Python's `PRESETS`.

    Returns:
        The evaluation.

    Raises:
        Naming the key that is unknown or out of range, or that asks for more than greedy play.
    """
    comptime evals = "algorithm.evals."
    var entry = Section(document, node, evals + name, evals + "*")
    var deterministic = entry.boolean(
        document, "deterministic", name != "ppo_1" and name != "ppo_10"
    )
    var searches = entry.integer(
        document,
        "num_mcts_searches",
        100 if name == "mcts_100" else 0,
    )
    var strategy = entry.find(document, "strategy")
    var is_greedy = strategy != ABSENT or name != "beam_64"
    if strategy != ABSENT and document.kind(strategy) != Kind.NULL:
        is_greedy = entry.choice(document, "strategy") == 0
    _ = entry.choice(document, "root_selection")
    _ = entry.choice(document, "precision")
    _ = entry.boolean(document, "transpositions")
    for key in ["gamma", "C", "beam_value_weight", "time_limit_s"]:
        _ = entry.optional_number(document, key)
    for key in [
        "max_expand_depth",
        "num_cores",
        "beam_width",
        "beam_views",
        "goal_table_bytes",
        "pattern_boards",
    ]:
        _ = entry.integer(document, key)
    for key in ["node_limit", "pattern_bytes", "max_episode_steps"]:
        _ = entry.optional_integer(document, key)
    var evaluation = Evaluation(
        name,
        entry.integer(document, "num_episodes"),
        deterministic,
        entry.integer(document, "num_searches"),
        entry.integer(document, "seed"),
        entry.choice(document, "start") == 1,
        entry.integer(document, "freq"),
    )
    entry.finish(document)
    comptime greedy = " (ES plays greedily), got "
    if not deterministic:
        raise Error(
            entry.at("deterministic"), ": expected true", greedy, "false"
        )
    if searches > 0:
        raise Error(
            entry.at("num_mcts_searches"), ": expected 0", greedy, searches
        )
    if not is_greedy:
        raise Error(
            entry.at("strategy"), ': expected "greedy"', greedy, "another"
        )
    return evaluation^


def require_class(
    mut top: Section, document: Json, key: String, package: String, name: String
) raises:
    """Refuses a class other than `name` of `package`; the short name is as good.

    Args:
        top: The whole config as a section.
        document: The config.
        key: The key that holds the class.
        package: Where the class lives in Python, with a dot at the end.
        name: The one class that Mojo has.

    Raises:
        Naming the key, if it is missing, no string, or another class.
    """
    var found = top.text(document, key, "")
    var is_ours = found == name or (
        found.startswith(package) and found.endswith("." + name)
    )
    if found == "":
        raise Error(key, ": is missing; expected ", package, name)
    if not is_ours:
        raise Error(
            key,
            ": expected ",
            package,
            name,
            " (what Mojo trains), got ",
            found,
        )


def read_learning(mut algorithm: Section, document: Json) raises -> Learning:
    """Reads the section `learning`.

    Args:
        algorithm: The section `algorithm`.
        document: The config.

    Returns:
        The curriculum; a missing key takes its default.

    Raises:
        Naming the key that is unknown or out of range.
    """
    var section = algorithm.section(document, "learning")
    var threshold = section.number(document, "diff_threshold")
    var least = section.optional_number(document, "threshold_min")
    var metric = section.find(document, "diff_metric")
    var has_metric = metric == ABSENT or document.kind(metric) != Kind.NULL
    var learning = Learning(
        threshold,
        least.value() if least else threshold,
        section.integer(document, "diff_max"),
        section.text(document, "diff_metric", PRESET) if has_metric else "",
        metric != ABSENT,
        section.integer(document, "diff_step"),
        section.integer(document, "warmup"),
        section.optional_integer(document, "num_steps").or_else(0),
        section.optional_number(document, "time_budget_s").or_else(0),
    )
    # Runs of this port end by their length or by time.
    if not section.is_null(document, "patience"):
        var patience = section.find(document, "patience")
        raise fault(section.at("patience"), "null", document, patience)
    if not section.is_null(document, "target_reward"):
        var target = section.find(document, "target_reward")
        raise fault(section.at("target_reward"), "null", document, target)
    if section.boolean(document, "final_diff_is_none"):
        raise Error(
            section.at("final_diff_is_none"),
            ": expected false (ES learns from scrambled states alone), got true",
        )
    section.finish(document)
    return learning^


def read_optimizer(
    mut algorithm: Section, document: Json
) raises -> OptimizerSettings:
    """Reads the section `optimizer`.

    Args:
        algorithm: The section `algorithm`.
        document: The config.

    Returns:
        Rule, rates and decays, without the schedule of the learning rate.

    Raises:
        Naming the key that is unknown or out of range.
    """
    var section = algorithm.section(document, "optimizer")
    var settings = OptimizerSettings()
    settings.rule = Rule(section.choice(document, "rule"))
    settings.rate = section.number(document, "lr")
    settings.epsilon = section.number(document, "eps")
    settings.weight_decay = section.number(document, "weight_decay")
    var betas = section.find(document, "betas")
    if betas != ABSENT:
        if document.kind(betas) != Kind.LIST or document.length(betas) != 2:
            raise fault(
                section.at("betas"), "two numbers in [0, 1)", document, betas
            )
        var bounds = section.bounds("betas")
        var path = section.at("betas")
        settings.beta1 = number_at(
            document, document.item(betas, 0), path + "[0]", bounds
        )
        settings.beta2 = number_at(
            document, document.item(betas, 1), path + "[1]", bounds
        )
    section.finish(document)
    return settings
