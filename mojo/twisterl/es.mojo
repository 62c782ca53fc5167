"""Evolution Strategies: Salimans et al. 2017, "Evolution Strategies as a Scalable Alternative to
Reinforcement Learning", algorithm 2.

A generation of `2 * num_pairs` members plays the same episodes; members 2 p and 2 p + 1 are the
weights plus and minus `sigma` times the noise of pair p. With u the centred ranks of the fitness,

    gradient = 1 / (2 num_pairs sigma) * sum over pairs (u[2 p] - u[2 p + 1]) noise[p]

The sum is one of whole numbers and exact, every draw has a named stream, and the fitness of a
member is summed in the order of the episodes: the result is the same for any number of threads.
"""

from std.atomic import Atomic

from .episodes import Player, Score, play
from .network import AlignedWeights, Floats, Layout
from .noise import BLOCK, Noise, padded
from .optimizer import OptimizerSettings, Update
from .puzzle import Puzzle, Settings
from .rng import Rng
from .tiles import Tiles
from .workers import Worker, run_workers

comptime Counter = Atomic[Int64]
"""A number that threads count up together."""


struct EsSettings(ImplicitlyCopyable):
    """The sections `collecting` and `training` of a config."""

    var num_pairs: Int
    """Half the population."""
    var num_episodes: Int
    """Episodes that every member plays."""
    var sigma: Float64
    """Standard deviation of the noise."""
    var uniform_difficulty: Bool
    """Each episode's difficulty is drawn from 1 to the current one."""
    var player: Player
    """How members choose actions, which decides the head that is learned."""
    var optimizer: OptimizerSettings
    """How the gradient moves the weights."""

    def __init__(out self):
        """The defaults of a config."""
        self.num_pairs = 64
        self.num_episodes = 64
        self.sigma = 0.05
        self.uniform_difficulty = False
        self.player = Player.POLICY
        self.optimizer = OptimizerSettings()


@fieldwise_init
struct Generation(ImplicitlyCopyable):
    """What a generation reached; shares and means are over all episodes of all members.
    """

    var number: Int
    """Counts from 0."""
    var mean_fitness: Float64
    """In 0..1.5."""
    var best_fitness: Float32
    """Of one member."""
    var success: Float64
    """Share of solved episodes."""
    var steps: Int
    """Actions played."""


struct Trained(ImplicitlyCopyable):
    """The weights that are perturbed and learned: both layers, and the head that is played.
    """

    var shared_end: Int
    """End of the embedding and its bias, which both heads share."""
    var head_start: Int
    """First weight of the head that is played."""
    var head_end: Int
    """End of the head's weights."""
    var bias_start: Int
    """First bias of the head that is played."""
    var bias_end: Int
    """End of the head's biases."""

    def __init__(out self, layout: Layout, player: Player):
        """Those that `player` reads.

        Args:
            layout: Where each tensor begins.
            player: Whose head is learned; the other one stays as it is.
        """
        self.shared_end = layout.action_weight()
        if player == Player.POLICY:
            self.head_start = layout.action_weight()
            self.head_end = layout.value_weight()
            self.bias_start = layout.action_bias()
            self.bias_end = layout.value_bias()
        else:
            self.head_start = layout.value_weight()
            self.head_end = layout.action_bias()
            self.bias_start = layout.value_bias()
            self.bias_end = layout.size()

    @always_inline
    def has(self, index: Int) -> Bool:
        """Whether weight `index` is learned.

        Args:
            index: An index into the flat vector; the zeros behind the last weight are not
                learned.

        Returns:
            False for the head that is not played.
        """
        return (
            index < self.shared_end
            or self.head_start <= index < self.head_end
            or self.bias_start <= index < self.bias_end
        )


struct EvolutionStrategy[T: Tiles, hidden: Int](Movable):
    """A run: weights, moments and the number of the next generation.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network, a multiple of 16.
    """

    comptime LAYOUT = Layout(Self.T.CELLS * Self.T.CELLS, Self.hidden)
    """Where each tensor begins in the weights."""

    var settings: EsSettings
    """Population, noise and optimizer."""
    var seed: UInt64
    """Names all streams of the run."""
    var generation: Int
    """Generations played so far."""
    var weights: List[Float32]
    """`LAYOUT.size()`, and zeros up to a whole block of noise."""
    var first: List[Float32]
    """First moments, in the order of the weights."""
    var second: List[Float32]
    """Second moments."""

    def __init__(out self, settings: EsSettings, seed: UInt64):
        """Random weights from the streams of `seed`, and no moments.

        Args:
            settings: Population, noise and optimizer.
            seed: Seed of weights, boards and noise.
        """
        comptime size = padded(Self.LAYOUT.size())
        self.settings = settings
        self.seed = seed
        self.generation = 0
        self.weights = initial_weights(Self.LAYOUT, seed)
        self.first = List[Float32](length=size, fill=0)
        self.second = List[Float32](length=size, fill=0)

    def starts(self, board: Settings) -> List[Puzzle[Self.T]]:
        """The boards [N] that every member of the coming generation starts from.

        Args:
            board: Parameters of the boards, with the current difficulty.

        Returns:
            Scrambled boards, the same for every member and number of threads.
        """
        var starts = List[Puzzle[Self.T]](capacity=self.settings.num_episodes)
        for episode in range(self.settings.num_episodes):
            var start = Puzzle[Self.T](board)
            var rng = Rng.stream(
                self.seed, UInt64(self.generation), UInt64(episode)
            )
            var difficulty = board.difficulty
            if self.settings.uniform_difficulty:
                difficulty = min(
                    difficulty, 1 + Int(rng.below(UInt64(difficulty)))
                )
            start.scramble(rng, difficulty)
            starts.append(start^)
        return starts^

    def step(mut self, board: Settings, threads: Int) raises -> Generation:
        """Plays one generation on boards of these settings and updates the weights.

        Args:
            board: Parameters of the boards, with the current difficulty.
            threads: Threads that share the work, at least 1; the result does not depend on it.

        Returns:
            What the members reached before the update.

        Raises:
            If a thread cannot be started.
        """
        if self.settings.player == Player.POLICY:
            return self._step[Player.POLICY](board, threads)
        return self._step[Player.VALUE](board, threads)

    def _step[
        player: Player
    ](mut self, board: Settings, threads: Int) raises -> Generation:
        var starts = self.starts(board)
        var scores = List[Score](
            length=2 * self.settings.num_pairs, fill=Score(0, 0, 0)
        )
        var pair_counter = Counter(0)
        var jobs = List[Playing[Self.T, Self.hidden, player]]()
        for _ in range(threads):
            jobs.append(
                Playing[Self.T, Self.hidden, player](
                    self.settings,
                    self.seed,
                    self.generation,
                    untracked(self.weights),
                    starts.unsafe_ptr().unsafe_origin_cast[
                        MutUntrackedOrigin
                    ](),
                    scores.unsafe_ptr().unsafe_origin_cast[
                        MutUntrackedOrigin
                    ](),
                    Pointer(to=pair_counter).unsafe_origin_cast[
                        MutUntrackedOrigin
                    ](),
                )
            )
        run_workers(jobs)
        _ = starts^
        _ = pair_counter^
        self._update(rank_differences(scores), threads)
        self.generation += 1
        return summary(self.generation - 1, scores, self.settings.num_episodes)

    def _update(mut self, differences: List[Int32], threads: Int) raises:
        var jobs = List[Updating]()
        var pairs = self.settings.num_pairs
        var members = 2 * pairs
        # Ranks come doubled and so does the noise: a quarter, and the ranks' width, scale back.
        var scale = 0.25 / (
            Float64(members - 1) * Float64(members) * self.settings.sigma
        )
        for thread in range(threads):
            jobs.append(
                Updating(
                    self.seed,
                    self.generation,
                    Trained(Self.LAYOUT, self.settings.player),
                    Update(self.settings.optimizer, self.generation),
                    Float32(scale),
                    untracked(self.weights),
                    untracked(self.first),
                    untracked(self.second),
                    differences.copy(),
                    len(self.weights) // BLOCK * thread // threads,
                    len(self.weights) // BLOCK * (thread + 1) // threads,
                )
            )
        run_workers(jobs)


def untracked(values: List[Float32]) -> Floats:
    """A pointer that does not keep `values` alive: the caller must.

    Args:
        values: The list to point at, also written through the pointer.

    Returns:
        Where its first float is.
    """
    return (
        values.unsafe_ptr()
        .unsafe_mut_cast[True]()
        .unsafe_origin_cast[MutUntrackedOrigin]()
    )


@fieldwise_init
struct Playing[T: Tiles, hidden: Int, player: Player](Movable, Worker):
    """One thread's share of the episodes: pairs, one at a time, until none is left.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.
        player: How the members choose actions.
    """

    var settings: EsSettings
    """Numbers of pairs and episodes, and sigma."""
    var seed: UInt64
    """Seed of the run, which names the noise."""
    var generation: Int
    """Number of the generation, which names the noise."""
    var weights: Floats
    """The weights without noise."""
    var starts: Pointer[Puzzle[Self.T], MutUntrackedOrigin]
    """First boards [N], which all threads read."""
    var scores: Pointer[Score, MutUntrackedOrigin]
    """Room for the scores [2 num_pairs] of all members, which the threads share."""
    var next_pair: Pointer[Counter, MutUntrackedOrigin]
    """The next pair that no thread has taken yet."""

    def run(mut self):
        """Writes the scores of the pairs that this thread takes."""
        comptime layout = Layout(Self.T.CELLS * Self.T.CELLS, Self.hidden)
        comptime size = padded(layout.size())
        var member = AlignedWeights(size)
        var moves = List[Int](length=self.settings.num_episodes, fill=0)
        var starts = Span(
            unsafe_ptr=self.starts, length=self.settings.num_episodes
        )
        while True:
            var pair = Int(self.next_pair[].fetch_add(1))
            if pair >= self.settings.num_pairs:
                break
            var noise = Noise.of(self.seed, self.generation, pair)
            for sign in range(2):
                var half_sigma = Float32(
                    self.settings.sigma * (0.5 if sign == 0 else -0.5)
                )
                perturb[size](self.weights, noise, half_sigma, member.start())
                var score = play[Self.T, Self.hidden, Self.player](
                    member.start(), starts, moves
                )
                self.scores.unsafe_offset(2 * pair + sign)[] = score
        _ = member^


@always_inline
def perturb[size: Int](weights: Floats, noise: Noise, half_sigma: Float32, member: Floats):
    """Writes `weights + half_sigma * (twice the noise)` to `member`, `size` entries.

    Parameters:
        size: Number of weights, a multiple of `BLOCK`.

    Args:
        weights: The weights without noise.
        noise: The noise of the pair.
        half_sigma: Half the standard deviation, negative for the second member.
        member: Room for `size` floats.
    """
    comptime Vector = SIMD[DType.float32, BLOCK]
    for block in range(size // BLOCK):
        var doubled = noise.block(block).cast[DType.float32]()
        var base = weights.unsafe_load[width=BLOCK](block * BLOCK)
        member.unsafe_store(block * BLOCK, doubled.fma(Vector(half_sigma), base))


@fieldwise_init
struct Updating(Movable, Worker):
    """One thread's share of an update: the blocks `begin` to `end` of the weights.
    """

    var seed: UInt64
    """Seed of the run, which names the noise."""
    var generation: Int
    """Number of the generation, which names the noise and Adam's bias correction."""
    var trained: Trained
    """Which weights are learned; the others stay, with moments of 0."""
    var update: Update
    """How the gradient moves a weight."""
    var scale: Float32
    """Factor from the sums of whole numbers to the gradient."""
    var weights: Floats
    """The weights, changed in place."""
    var first: Floats
    """First moments, changed in place."""
    var second: Floats
    """Second moments, changed in place."""
    var differences: List[Int32]
    """What `rank_differences` says of each pair [num_pairs]."""
    var begin: Int
    """The first block of this share."""
    var end: Int
    """The block behind the last one."""

    def run(mut self):
        """Adds up the gradient of these blocks and applies it."""
        var noises = List[Noise](capacity=len(self.differences))
        for pair in range(len(self.differences)):
            noises.append(Noise.of(self.seed, self.generation, pair))
        for block in range(self.begin, self.end):
            var sums = SIMD[DType.int32, BLOCK](0)
            for pair in range(len(self.differences)):
                var doubled = (
                    noises.unsafe_get(pair).block(block).cast[DType.int32]()
                )
                sums += doubled * self.differences.unsafe_get(pair)
            self._apply(block * BLOCK, sums.cast[DType.float32]() * self.scale)

    def _apply(self, start: Int, gradient: SIMD[DType.float32, BLOCK]):
        var weight = self.weights.unsafe_load[width=BLOCK](start)
        var before = weight
        var first = self.first.unsafe_load[width=BLOCK](start)
        var second = self.second.unsafe_load[width=BLOCK](start)
        self.update.apply(gradient, weight, first, second)
        comptime for i in range(BLOCK):
            if not self.trained.has(start + i):
                weight[i] = before[i]
                first[i] = 0
                second[i] = 0
        self.weights.unsafe_store(start, weight)
        self.first.unsafe_store(start, first)
        self.second.unsafe_store(start, second)


def rank_differences(scores: List[Score]) -> List[Int32]:
    """For each pair the doubled rank of its first member less that of its second.

    Equal fitness shares the mean of its ranks, which is why ranks are doubled.

    Args:
        scores: Scores [2 num_pairs]; members 2 p and 2 p + 1 are pair p.

    Returns:
        Whole numbers [num_pairs], above 0 where the plus member was better.
    """
    var order = List[Int](capacity=len(scores))
    for member in range(len(scores)):
        order.append(member)

    def before(a: Int, b: Int) {imm scores} -> Bool:
        return scores[a].fitness < scores[b].fitness

    sort(Span(order), before)
    var doubled = List[Int32](length=len(scores), fill=0)
    var begin = 0
    while begin < len(order):
        var end = begin + 1
        while (
            end < len(order)
            and scores[order[end]].fitness == scores[order[begin]].fitness
        ):
            end += 1
        for i in range(begin, end):
            doubled[order[i]] = Int32(begin + end - 1)
        begin = end
    var differences = List[Int32](capacity=len(scores) // 2)
    for pair in range(len(scores) // 2):
        differences.append(doubled[2 * pair] - doubled[2 * pair + 1])
    return differences^


def summary(number: Int, scores: List[Score], num_episodes: Int) -> Generation:
    """What the members with these `scores` reached together.

    Args:
        number: Number of the generation.
        scores: Scores of all members.
        num_episodes: Episodes that each member played.

    Returns:
        Means over `len(scores) * num_episodes` episodes, the best member's mean, the sum of
        steps.
    """
    var total = Float64(0)
    var best = Float32(0)
    var solved = 0
    var steps = 0
    for score in scores:
        total += Float64(score.fitness)
        best = max(best, score.fitness)
        solved += score.solved
        steps += score.steps
    var episodes = Float64(len(scores) * num_episodes)
    return Generation(
        number,
        total / episodes,
        best / Float32(num_episodes),
        Float64(solved) / episodes,
        steps,
    )


comptime WEIGHTS_TAG = UInt64(0x77656967687473)
"""Keeps the stream of the first weights apart from all others."""


def initial_weights(layout: Layout, seed: UInt64) -> List[Float32]:
    """Weights and biases uniform within 1 / sqrt(inputs), in the order of the layout; the action
    and value biases with those of their weights.

    Args:
        layout: Where each tensor begins.
        seed: Seed of the run.

    Returns:
        `layout.size()` floats, and zeros up to a whole block of noise.
    """
    var weights = List[Float32](length=padded(layout.size()), fill=0)
    var rng = Rng.stream(seed ^ WEIGHTS_TAG, 0, 0)
    for index in range(layout.size()):
        var inputs = (
            layout.features if index < layout.action_weight() else layout.hidden
        )
        var bound = Float32(1 / Float64(inputs) ** 0.5)
        weights[index] = (2 * rng.unit() - 1) * bound
    return weights^
