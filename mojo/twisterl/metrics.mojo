"""The learning curve of a run: `metrics.jsonl`, one JSON object for each iteration.

The keys are those of Python's runs, so that `python -m twisterl.plot RUN_FOLDER` draws it.
"""

from .evaluate import Report
from .json import quoted
from .terminal import fixed

comptime METRICS = "metrics.jsonl"
"""File of the lines in the folder of a run."""


struct Metrics(Movable):
    """All lines so far, and the evaluations of the iteration that is going on."""

    var lines: String
    """A line for each iteration that has ended, each with its line end."""
    var evaluations: String
    """Members of the object `evals` of the next line."""

    def __init__(out self):
        """Nothing so far."""
        self.lines = ""
        self.evaluations = ""

    def add_evaluation(mut self, name: String, report: Report):
        """Notes what an evaluation of this iteration found.

        Args:
            name: Name of the evaluation in the config.
            report: Its counts.
        """
        var interval = report.interval()
        self.evaluations += String(
            ", " if self.evaluations != "" else "",
            quoted(name),
            ': {"success": ',
            fixed(report.success(), 6),
            ', "interval": [',
            fixed(interval[0], 6),
            ", ",
            fixed(interval[1], 6),
            '], "mean_length": ',
            fixed(report.mean_length(), 3),
            "}",
        )

    def end_iteration(
        mut self,
        iteration: Int,
        difficulty: Int,
        total_steps: Int,
        elapsed_s: Float64,
    ):
        """Ends the line of an iteration.

        Args:
            iteration: Its number, from 0.
            difficulty: That of its episodes.
            total_steps: Actions played since the run began.
            elapsed_s: Seconds since the run began, evaluations included, pauses not.
        """
        self.lines += String(
            '{"iteration": ',
            iteration,
            ', "difficulty": ',
            difficulty,
            ', "evals": {',
            self.evaluations,
            '}, "total_steps": ',
            total_steps,
            ', "elapsed_s": ',
            fixed(elapsed_s, 3),
            "}\n",
        )
        self.evaluations = ""
