"""Jobs that run beside each other, each as soon as what it needs is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """Some work, and the names of the jobs that come before it."""

    name: str
    work: Callable[[], None]
    needs: tuple[str, ...] = ()


def run(jobs: Iterable[Job], num_workers: int) -> None:
    """Runs all `jobs`, `num_workers` at a time; of those that may begin the first ones come first.

    When one fails none begins any more, and its error is raised after those that run have ended.

    Raises:
        ValueError: a job needs one that is not before it.

    >>> done = []
    >>> jobs = [Job("bake", lambda: done.append("bread")), Job("eat", done.clear, ("bake",))]
    >>> run(jobs, 2)
    >>> done
    []
    """
    waiting: list[Job] = []
    for job in jobs:
        missing = set(job.needs) - {other.name for other in waiting}
        if missing:
            raise ValueError(f"{job.name} needs {', '.join(sorted(missing))}, which is not before")
        waiting.append(job)
    done: set[str] = set()
    errors: list[BaseException] = []
    changed = threading.Condition()

    def next_job() -> Job | None:
        with changed:
            while waiting and not errors:
                for job in waiting:
                    if done.issuperset(job.needs):
                        waiting.remove(job)
                        return job
                changed.wait()
            return None

    def work(_: int) -> None:
        while (job := next_job()) is not None:
            try:
                job.work()
            except BaseException as error:
                errors.append(error)
            with changed:
                done.add(job.name)
                changed.notify_all()

    with ThreadPoolExecutor(num_workers) as pool:
        list(pool.map(work, range(num_workers)))
    if errors:
        raise errors[0]
