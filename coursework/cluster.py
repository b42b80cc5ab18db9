"""Hand submissions to the workers of a cluster of Dask, a few at a time, and collect the answers.

By default the cluster is on this machine: processes that Dask starts anew when they end. What goes
to a worker is the file itself and what to do with it, so that no worker needs to see a folder of
the instructor's. A submission whose worker ends runs again elsewhere, as often as Dask's setting
``distributed.scheduler.allowed-failures`` says (3 times).
"""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Security, WorkerPlugin, wait

from coursework.escaping import printable
from coursework.graders import grade_here, why_unable
from coursework.work import Answer, Task

AHEAD = 2
"""Submissions that are given to each thread of a worker: one that runs, and one that waits."""

MOST_REFUSALS = 3
"""Workers that may say of themselves that they cannot grade, before a submission is left."""

SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 10, 30

SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "100MB",  # a file has 10 MB at most
    "distributed.admin.low-level-log-length": 10,  # of messages, in which the files are
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class ClusterError(Exception):
    """The cluster cannot be used; the message says why."""


class IgnoreInterrupts(WorkerPlugin):
    """Leave an interrupt at the terminal to the process that was started there."""

    def setup(self, worker: object) -> None:
        """Do so in a worker's process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def open_cluster(jobs: int, scheduler: str | None = None) -> Iterator[Client]:
    """Start a cluster on this machine, or connect to another.

    Parameters
    ----------
    jobs : int
        Processes of the cluster on this machine.
    scheduler : str, optional
        The address of a cluster that is there, as Dask writes it: ``tcp://host:8786``, or
        ``tls://`` with the certificates that Dask's own configuration names.

    Yields
    ------
    Client

    Raises
    ------
    ClusterError
        If nobody answers at the address.
    """
    if scheduler:
        with dask.config.set(SETTINGS), _connect(scheduler) as client:
            yield client
        return
    with (
        tempfile.TemporaryDirectory(prefix="grading-") as folder,
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            memory_limit=None,  # each submission has its own
            local_directory=folder,
            # A port of this machine is open to all its users: only this process has the key.
            security=Security.temporary(),
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(IgnoreInterrupts())
        yield client


def _connect(scheduler: str) -> Client:
    try:
        return Client(scheduler, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError, TypeError) as error:
        address, reason = printable(scheduler), printable(str(error))
        raise ClusterError(f"no scheduler of Dask at {address}: {reason}") from None


def check_workers(client: Client, version: str, sandbox: bool) -> None:
    """Check that each worker that is there can grade.

    Parameters
    ----------
    client : Client
    version : str
        Of the tests.
    sandbox : bool
        Whether each needs closed rooms.

    Raises
    ------
    ClusterError
        The message names those that cannot, with their reasons.
    """
    found = client.run(why_unable, version, sandbox, on_error="return")
    reasons = {worker: printable(str(reason), 500) for worker, reason in found.items() if reason}
    if reasons:
        listed = "\n  ".join(f"{worker}: {reason}" for worker, reason in sorted(reasons.items()))
        raise ClusterError(
            f"{len(reasons)} of {len(found)} workers cannot grade; mend or remove them:\n  {listed}"
        )


def hand_out(
    client: Client, tasks: Iterable[Task], say: Callable[[str], None]
) -> Iterator[tuple[Task, Answer]]:
    """Give tasks to workers, and yield each with its answer, as they come.

    No more tasks are taken than the workers need: what lies here does not grow with their number.

    Parameters
    ----------
    client : Client
    tasks : iterable of Task
    say : callable
        Is told what the instructor should know of the cluster.

    Yields
    ------
    Task, Answer

    Raises
    ------
    ClusterError
        If the scheduler is gone.
    """
    client.subscribe_topic("all", lambda event: _tell_of_loss(event[1], say))
    left, running = iter(tasks), {}
    refusals: dict[str, int] = {}
    try:
        while True:
            free = AHEAD * max(1, sum(client.nthreads().values())) - len(running)
            for task in islice(left, max(0, free)):
                running[_submit(client, task)] = task
            if not running:
                return
            for future in _finished(client, running, say):
                task, answer = running.pop(future), _answer_of(future)
                if answer.unable:
                    say(f"a worker cannot grade: {answer.unable}")
                    refusals[task.student] = refusals.get(task.student, 0) + 1
                    if refusals[task.student] < MOST_REFUSALS:
                        running[_submit(client, task)] = task
                        continue
                    answer = Answer(failed=f"no worker could grade it: {answer.unable}")
                yield task, answer
    finally:
        client.unsubscribe_topic("all")
        client.cancel(list(running))


def _submit(client: Client, task: Task) -> Future:
    return client.submit(grade_here, task.pack(), pure=False)


def _finished(
    client: Client, running: dict[Future, Task], say: Callable[[str], None]
) -> list[Future]:
    """Wait until something is finished, and say so if there is nobody who could."""
    while True:
        try:
            return [
                *wait([*running], return_when="FIRST_COMPLETED", timeout=SECONDS_OF_SILENCE).done
            ]
        except TimeoutError:
            if not client.nthreads():
                say("no worker is connected: waiting for one")


def _answer_of(future: Future) -> Answer:
    if future.status == "finished":
        try:
            return Answer.unpack(future.result())
        except (ValueError, TypeError, AttributeError) as error:
            return Answer(failed=printable(str(error)))
    if future.status in ("cancelled", "lost"):
        raise ClusterError("the scheduler is gone: run again, nothing is graded twice")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return Answer(failed=f"the worker ended, {error.allowed_failures + 1} times")
    return Answer(failed=f"{type(error).__name__}: {printable(str(error))}")


def _tell_of_loss(event: dict, say: Callable[[str], None]) -> None:
    """Say that a worker ended and that what it did runs again."""
    if event.get("action") == "remove-worker" and not event.get("expected"):
        count = len(event.get("processing-tasks", ()))
        say(f"a worker ended: its {count} submissions run again")
