"""Workers that are processes of a Dask cluster, each shard an actor on one of them.

A task of Dask takes values and gives a new one, by way of the scheduler. A shard is the opposite:
it stays, and changes with each token. So it is an actor, an object that lives on one worker and is
called directly. Dask keeps no copy of an actor and starts none again when its worker dies; that is
done by `ShardedKVCache`, from the tokens.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import dask
from distributed import Actor, Client, Future, LocalCluster

from tinytorch.distributed.workers import Request, Shard, WorkerLostError, Workers

CHECK_SECONDS = 0.5
"""How long to wait for an answer, or for a new actor, before asking whether its worker lives."""

GONE = ("error", "lost", "cancelled")
SPAWN_SETTINGS = "distributed.nanny.pre-spawn-environ"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class PackedShard:
    """A shard that takes requests and gives answers as bytes.

    Dask would pack each array and each number of a message on its own, which takes longer than to
    send all of them.
    """

    def __init__(self, make: Callable[[], Shard]):
        self.shard = make()

    def answer(self, packed: bytes) -> bytes:
        """Call the method that a request names."""
        method, args = pickle.loads(packed)
        return pickle.dumps(self.shard.answer(method, *args), protocol=5)


@dataclass(frozen=True)
class Handle:
    """A shard on a worker.

    Attributes
    ----------
    worker : int
    address : str
        Of the process that it was made on.
    future : Future
        Keeps the actor alive, and knows when it is lost.
    actor : Actor
        Its methods send a request to the worker.
    """

    worker: int
    address: str
    future: Future
    actor: Actor


class DaskWorkers(Workers):
    """Workers on a Dask cluster. Use it in a ``with`` block, or close it.

    A script that starts a cluster must keep its own code behind ``if __name__ == "__main__"``, as
    `multiprocessing` says.

    Parameters
    ----------
    num_workers : int
    address : str, optional
        Of the scheduler of a cluster that runs already, such as ``"tcp://10.0.0.1:8786"``, with
        tinytorch installed where its workers run. Default: start a cluster of processes on this
        machine, and end it with the block.
    threads : int
        Threads that each process of a cluster started here multiplies matrices with.
    patience : float
        Seconds to wait for workers at the start, or for another one after one was lost.

    Raises
    ------
    TimeoutError
        If the cluster does not have as many workers in time.

    Examples
    --------
    >>> with DaskWorkers(2) as workers:
    ...     cache = enable_sharded_cache(model, workers, by="sequence")
    ...     logits = model.forward(prompt)
    ...     disable_kv_cache(model)
    """

    def __init__(
        self,
        num_workers: int,
        address: str | None = None,
        *,
        threads: int = 1,
        patience: float = 60.0,
    ):
        super().__init__(num_workers)
        self.share_files = address is None
        self.patience = patience
        self._dead: set[str] = set()
        self._exit = ExitStack()
        try:
            if address is None:
                address = self._exit.enter_context(_local_cluster(num_workers, threads))
            self.client = self._exit.enter_context(
                Client(address, direct_to_workers=True, timeout=patience)
            )
            self.client.wait_for_workers(num_workers, timeout=patience)
            self.addresses = sorted(self.client.nthreads())[:num_workers]
        except BaseException:
            self._exit.close()
            raise

    def process_ids(self) -> list[int]:
        """Ask each worker for the number of its process."""
        found = self.client.run(os.getpid, workers=self.addresses)
        return [found[address] for address in self.addresses]

    def create(self, worker: int, make: Callable[[], Shard]) -> Handle:
        """Make an actor on a worker."""
        address = self.addresses[worker]
        future = self.client.submit(PackedShard, make, actor=True, pure=False, workers=[address])
        while self._is_there(worker):
            try:
                actor = future.result(timeout=CHECK_SECONDS)
            except TimeoutError:
                continue
            except RuntimeError:  # which Dask raises if the worker died meanwhile
                if self._is_there(worker):
                    raise
                break
            return Handle(worker, address, future, actor)
        raise WorkerLostError({worker})

    def ask(self, requests: Sequence[Request]) -> list[object]:
        """Send all requests, then wait: the workers compute side by side."""
        return self.client.sync(self._ask_all, requests)

    def replace(self, worker: int) -> None:
        """Wait for a process that is not in use: a local cluster starts one by itself."""
        if self._is_there(worker):
            return
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            spare = sorted(set(self.client.nthreads()) - set(self.addresses) - self._dead)
            if spare:
                self.addresses[worker] = spare[0]
                return
            time.sleep(0.05)
        raise RuntimeError(f"no worker came in {self.patience:g} s in place of the one that died")

    def close(self) -> None:
        """End the client, and the cluster if it was started here."""
        self._exit.close()

    def _is_there(self, worker: int) -> bool:
        address = self.addresses[worker]
        return address not in self._dead and address in self.client.nthreads()

    async def _ask_all(self, requests: Sequence[Request]) -> list[object]:
        return await asyncio.gather(*map(self._ask, requests))

    async def _ask(self, request: Request) -> object:
        handle = request.handle
        try:
            packed = pickle.dumps((request.method, request.args), protocol=5)
            answer = asyncio.ensure_future(handle.actor.answer(packed))
            while not answer.done():
                await asyncio.wait([answer], timeout=CHECK_SECONDS)
                if not answer.done() and handle.future.status in GONE:
                    answer.cancel()
                    return self._lose(handle)
            return pickle.loads(answer.result())
        except (OSError, RuntimeError) as error:
            # Dask says with one of these two that an actor is gone; a shard raises neither.
            if type(error) in (OSError, RuntimeError):
                return self._lose(handle)
            raise

    def _lose(self, handle: Handle) -> WorkerLostError:
        # The scheduler may not know yet.
        self._dead.add(handle.address)
        return WorkerLostError({handle.worker})


@contextmanager
def _local_cluster(num_workers: int, threads: int) -> Iterator[str]:
    """Run a cluster of processes on this machine that says nothing; yield its address."""
    settings = {f"{SPAWN_SETTINGS}.{name}": threads for name in THREAD_VARIABLES}
    with (
        dask.config.set(settings),
        _environment_kept(),
        LocalCluster(
            n_workers=num_workers,
            threads_per_worker=1,
            memory_limit=0,  # an actor cannot be moved to disk
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster.scheduler_address


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Take back the variables that Dask sets in this process for those that it starts."""
    names = (*dask.config.get(SPAWN_SETTINGS), "PYTHONHASHSEED", "__DASK_PARENT_PID")
    before = {name: os.environ[name] for name in names if name in os.environ}
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
