"""Ctrl-C, and other signals that end a process, as something to ask for between two generations, so
that a run can save first."""

from std.ffi import c_int, external_call

comptime SIGHUP = 1
"""Number of the signal that a closed terminal sends."""
comptime SIGINT = 2
"""Number of the signal that Ctrl-C sends."""
comptime SIGTERM = 15
"""Number of the signal that `kill` sends."""
comptime SIGXFSZ = 25
"""Number of the signal that a file beyond the limit of its size sends."""
comptime IGNORED = 1
"""What `signal` returns for a signal that was ignored."""
comptime F_GETFD = 1
"""The `fcntl` command that fails exactly when the descriptor is closed."""
comptime FLAGS = 200
"""A descriptor that is open once signals are held; with the number of a signal added, one that is
open until that signal. A signal handler may touch no memory of ours."""


def _lower_flag(signal: c_int) abi("C") -> Int:
    _ = external_call["close", c_int](c_int(FLAGS) + signal)
    return 0


def hold_interrupts():
    """From now on signals that end a process do nothing but answer `interrupted`, and a file that
    grows too large is the error of a write and nothing else."""
    # The reading end of a pipe is always there, standard input is not.
    var ends = Array[c_int, 2](fill=0)
    _ = external_call["pipe", c_int](ends.unsafe_ptr())
    _ = external_call["dup2", c_int](ends[0], c_int(FLAGS))
    for number in [SIGHUP, SIGINT, SIGTERM]:
        _ = external_call["dup2", c_int](ends[0], c_int(FLAGS + number))
        var before = external_call["signal", Int](c_int(number), _lower_flag)
        if number == SIGHUP and before == IGNORED:
            # Under nohup it stays so.
            _ = external_call["sigignore", c_int](c_int(SIGHUP))
    _ = external_call["sigignore", c_int](c_int(SIGXFSZ))


def interrupted() -> Int:
    """Which signal came since `hold_interrupts`.

    Returns:
        Its number, 0 for none and before `hold_interrupts` was called.
    """
    if _is_closed(FLAGS):
        return 0
    for number in [SIGINT, SIGTERM, SIGHUP]:
        if _is_closed(FLAGS + number):
            return number
    return 0


def _is_closed(flag: Int) -> Bool:
    return external_call["fcntl", c_int](c_int(flag), c_int(F_GETFD)) < 0
