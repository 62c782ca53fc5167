"""Threads: jobs that run side by side, each on its own data."""

from std.ffi import c_int, external_call
from std.sys import num_logical_cores


trait Worker:
    """What one thread does; it must not raise."""

    def run(mut self):
        """Does all of this worker's work."""
        ...


comptime Job = Worker & Movable & Deinitable
"""A worker that a list can hold."""


def _entry[W: Job](argument: Pointer[W, MutUntrackedOrigin]) abi("C") -> Int:
    argument[].run()
    return 0


def run_workers[W: Job](mut workers: List[W]) raises:
    """Runs every worker, the first on this thread, and waits for all.

    Parameters:
        W: The kind of job, the same for all threads.

    Args:
        workers: The jobs, at least one; afterwards they hold what they found.

    Raises:
        If a thread cannot be started; the others have ended by then.
    """
    var threads = List[UInt64](length=len(workers), fill=0)
    var started = 1
    var status = c_int(0)
    while started < len(workers):
        status = external_call["pthread_create", c_int](
            threads.unsafe_ptr().unsafe_offset(started),
            Int(0),
            _entry[W],
            workers.unsafe_ptr().unsafe_offset(started),
        )
        if status != 0:
            break
        started += 1
    if status == 0:
        workers[0].run()
    for i in range(1, started):
        _ = external_call["pthread_join", c_int](threads[i], Int(0))
    if status != 0:
        raise Error(
            "threads: ",
            len(workers),
            " could not be started (error ",
            status,
            ")",
        )


def worker_count(asked: Int) -> Int:
    """How many workers `asked` cores mean here: never more than the machine has, at least one.

    Args:
        asked: Cores that the config asks for.

    Returns:
        A number of threads in 1..=logical cores of this machine.
    """
    return max(1, min(asked, num_logical_cores()))
