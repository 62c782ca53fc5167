"""Ctrl-C as something to ask for between two generations, so that a run can save first."""

from std.ffi import c_int, external_call

comptime SIGINT = 2
"""Number of the signal that Ctrl-C sends."""
comptime SIGXFSZ = 25
"""Number of the signal that a file beyond the limit of its size sends."""
comptime F_GETFD = 1
"""The `fcntl` command that fails exactly when the descriptor is closed."""
comptime FLAG = 200
"""A descriptor that is open until Ctrl-C: a signal handler may touch no memory of ours."""


def _lower_flag(signal: c_int) abi("C") -> Int:
    _ = external_call["close", c_int](c_int(FLAG))
    return 0


def hold_interrupts():
    """From now on Ctrl-C does nothing but answer `interrupted`, and a file that grows too large is
    the error of a write and nothing else."""
    # The reading end of a pipe is always there, standard input is not.
    var ends = Array[c_int, 2](fill=0)
    _ = external_call["pipe", c_int](ends.unsafe_ptr())
    _ = external_call["dup2", c_int](ends[0], c_int(FLAG))
    _ = external_call["signal", Int](c_int(SIGINT), _lower_flag)
    _ = external_call["sigignore", c_int](c_int(SIGXFSZ))


def interrupted() -> Bool:
    """Whether Ctrl-C was pressed since `hold_interrupts`.

    Returns:
        True once it was pressed, and before `hold_interrupts` was called.
    """
    return external_call["fcntl", c_int](c_int(FLAG), c_int(F_GETFD)) < 0
