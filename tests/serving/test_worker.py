"""The engine's thread without a server."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving.servers import GatedEngine, small_model, small_tokenizer
from tinytorch.serving.worker import EngineWorker, QueueFullError


def run_with_worker(use, clock=time.perf_counter, **options):
    async def main():
        engine = GatedEngine(small_model(), 64, clock=clock)
        worker = EngineWorker(engine, small_tokenizer(), **options)
        worker.start()
        try:
            return await use(worker)
        finally:
            worker.engine.gate.set()
            await asyncio.to_thread(worker.stop)

    # In a thread of its own: Playwright keeps a loop running in the tests' thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(asyncio.wait_for(main(), 60))).result()


def test_a_stop_string_frees_the_blocks_at_once():
    prompt = small_tokenizer().encode("Hello").tolist()

    async def use(worker):
        whole = [piece async for piece in worker.submit(prompt, 30).pieces()]
        text = "".join(piece.text for piece in whole)
        job = worker.submit(prompt, 1000, stop_strings=[text[10:14]])
        pieces = [piece async for piece in job.pieces()]
        # Nobody cancels: the thread itself has ended the request before it gave the last piece.
        assert "".join(piece.text for piece in pieces) == text[: text.index(text[10:14])]
        assert worker.num_requests == 0
        assert not worker.engine.has_work
        assert job.generation.status == "cancelled"

    run_with_worker(use)


def test_one_more_than_fit_is_refused():
    async def use(worker):
        worker.engine.gate.clear()
        worker.submit([1, 2], 5)
        with pytest.raises(QueueFullError, match=r"^1 requests run or wait already$") as error:
            worker.submit([1, 2], 5)
        assert error.value.retry_after == 1

    run_with_worker(use, max_requests=1)


def test_who_is_refused_is_told_when_requests_will_have_ended():
    now = [0.0]

    async def use(worker):
        *ending, _ = [worker.submit([1, 2], count) for count in (1, 2, 3, 1000)]
        for job in ending:
            assert [piece async for piece in job.pieces()][-1].finish_reason == "length"
        worker.engine.gate.clear()
        while worker.num_requests < 4:
            worker.submit([1, 2], 1)
        now[0] = 6.0  # three ends in six seconds: two intervals of three
        assert [refused(worker), refused(worker)] == [3, 6]

    run_with_worker(use, max_requests=4, clock=lambda: now[0])


def refused(worker):
    with pytest.raises(QueueFullError) as error:
        worker.submit([1, 2], 1)
    return error.value.retry_after


def test_it_takes_at_least_one_request():
    with pytest.raises(ValueError, match="max_requests"):
        EngineWorker(GatedEngine(small_model(), 64), small_tokenizer(), 0)
