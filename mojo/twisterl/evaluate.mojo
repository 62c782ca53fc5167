"""How well weights play: the share of solved episodes and their mean length."""

from std.math import sqrt

from .config import Evaluation
from .episodes import Player, play
from .es import untracked
from .network import Floats
from .puzzle import Puzzle, Settings
from .rng import Rng
from .tiles import Tiles
from .workers import Worker, run_workers

comptime STREAM_TAG = UInt64(0x6576616C75617465)
"""Keeps the streams of evaluation apart from those of training with the same seed."""


@fieldwise_init
struct Report(ImplicitlyCopyable):
    """What an evaluation found."""

    var num_episodes: Int
    """Episodes played."""
    var solved: Int
    """Episodes that ended in success."""
    var moves: Int
    """Of all solved episodes together."""

    def success(self) -> Float64:
        """The share of solved episodes.

        Returns:
            A share in 0..=1.
        """
        return Float64(self.solved) / Float64(self.num_episodes)

    def mean_length(self) -> Float64:
        """Mean moves of the solved episodes, 0 without one.

        Returns:
            Moves for each solved episode.
        """
        return Float64(self.moves) / Float64(max(1, self.solved))

    def interval(self) -> Tuple[Float64, Float64]:
        """The 95 % interval of the success (Wilson 1927, "Probable inference").

        Returns:
            Its lower and its upper end, both in 0..=1.
        """
        var n = Float64(self.num_episodes)
        var square = Float64(1.959963984540054) ** 2
        var rate = self.success()
        var center = (rate + square / (2 * n)) / (1 + square / n)
        var spread = rate * (1 - rate) / n + square / (4 * n * n)
        var half = sqrt(square) / (1 + square / n) * sqrt(spread)
        return max(0.0, center - half), min(1.0, center + half)


def evaluate[
    T: Tiles, hidden: Int
](
    weights: List[Float32],
    player: Player,
    evaluation: Evaluation,
    board: Settings,
    threads: Int,
) raises -> Report:
    """Plays the episodes that `evaluation` describes, greedily.

    Start e draws from stream (seed, 0, e) of evaluation: the report does not depend on `threads`.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.

    Args:
        weights: The weights in the order of `Layout`, `Layout.size()` of them or more.
        player: How an action is chosen.
        evaluation: Number of episodes, seed and kind of start.
        board: Parameters of the boards, with the difficulty of the scrambled starts.
        threads: Threads that share the episodes, at least 1.

    Returns:
        Counts over all episodes.

    Raises:
        If a thread cannot be started.
    """
    var starts = List[Puzzle[T]](capacity=evaluation.num_episodes)
    for episode in range(evaluation.num_episodes):
        var start = Puzzle[T](board)
        var rng = Rng.stream(
            UInt64(evaluation.seed) ^ STREAM_TAG, 0, UInt64(episode)
        )
        if evaluation.uniform_start:
            start.reset_uniform(rng)
        else:
            start.reset(rng)
        starts.append(start^)
    var moves = play_all[T, hidden](weights, player, starts, threads)
    var report = Report(evaluation.num_episodes, 0, 0)
    for taken in moves:
        if taken >= 0:
            report.solved += 1
            report.moves += taken
    return report


def play_all[
    T: Tiles, hidden: Int
](
    weights: List[Float32], player: Player, starts: List[Puzzle[T]], threads: Int
) raises -> List[Int]:
    """The length of each solved episode [N], -1 for the others.

    Parameters:
        T: The tiles of the boards that are played.
        hidden: Hidden units H of the network.

    Args:
        weights: The weights in the order of `Layout`, `Layout.size()` of them or more.
        player: How an action is chosen.
        starts: First boards [N].
        threads: Threads that share the episodes, at least 1.

    Returns:
        Moves of each episode [N], in the order of the starts.

    Raises:
        If a thread cannot be started.
    """
    if player == Player.POLICY:
        return _play_all[T, hidden, Player.POLICY](weights, starts, threads)
    return _play_all[T, hidden, Player.VALUE](weights, starts, threads)


def _play_all[
    T: Tiles, hidden: Int, player: Player
](weights: List[Float32], starts: List[Puzzle[T]], threads: Int) raises -> List[Int]:
    var jobs = List[_Share[T, hidden, player]]()
    for thread in range(threads):
        var begin = len(starts) * thread // threads
        var end = len(starts) * (thread + 1) // threads
        jobs.append(
            _Share[T, hidden, player](
                untracked(weights),
                starts.unsafe_ptr()
                .unsafe_mut_cast[True]()
                .unsafe_origin_cast[MutUntrackedOrigin]()
                .unsafe_offset(begin),
                List[Int](length=end - begin, fill=-1),
            )
        )
    run_workers(jobs)
    var moves = List[Int](capacity=len(starts))
    for thread in range(threads):
        moves.extend(Span(jobs[thread].moves))
    return moves^


@fieldwise_init
struct _Share[T: Tiles, hidden: Int, player: Player](Movable, Worker):
    var weights: Floats
    var starts: Pointer[Puzzle[Self.T], MutUntrackedOrigin]
    var moves: List[Int]

    def run(mut self):
        var starts = Span(unsafe_ptr=self.starts, length=len(self.moves))
        _ = play[Self.T, Self.hidden, Self.player](
            self.weights, starts, self.moves
        )
