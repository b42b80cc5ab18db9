"""The same with real processes."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster
from distributed.comm.tcp import TCP

from tests.distributed.small import (
    CONFIGS,
    KINDS,
    TOLERANCE,
    expected_traffic,
    feed,
    options_for,
)
from tinytorch.distributed import DaskWorkers, enable_sharded_cache, new_sharded_cache
from tinytorch.generation import generate, stream, use_kv_cache

every_kind = pytest.mark.parametrize("kind", KINDS)
CONFIG = CONFIGS["llama"]
HEADERS = 1500
"""Most bytes that Dask adds to a message of ours, either way."""


@every_kind
@pytest.mark.parametrize("num_shards", [1, 2])
@pytest.mark.parametrize("style", CONFIGS)
def test_logits_and_traffic(dask_workers, make_model, make_tokens, kind, num_shards, style):
    config = CONFIGS[style]
    model, tokens = make_model(config), make_tokens(config, 2, 14)
    expected = model.forward(tokens)
    options = options_for(kind, 3) | {"num_shards": num_shards}
    cache = enable_sharded_cache(model, dask_workers, kind, 2, **options)
    chunks = [8, 4, 1, 1]
    np.testing.assert_allclose(feed(model, tokens, chunks), expected, atol=TOLERANCE)
    passes = [
        expected_traffic(config, kind, num_shards, start, size, 3, batch_size=2).counts
        for start, size in zip((0, 8, 12, 13), chunks, strict=True)
    ]
    assert cache.traffic.counts == tuple(np.sum(passes, axis=0))
    assert 0 < cache.traffic.busy_seconds < cache.traffic.seconds


@every_kind
def test_what_is_counted_is_what_goes_over_the_wire(
    dask_workers, make_model, make_tokens, kind, monkeypatch
):
    model = make_model(CONFIG)
    cache = enable_sharded_cache(model, dask_workers, kind, 1, **options_for(kind, 16))
    model.forward(make_tokens(CONFIG, 1, 4))
    addresses, sent, received = set(dask_workers.addresses), [], []
    write, read = TCP.write, TCP.read

    async def counted_write(comm, message, **options):
        nbytes = await write(comm, message, **options)
        if comm.peer_address in addresses and "actor" in message:
            sent.append(nbytes)
        return nbytes

    async def counted_read(comm, **options):
        message = await read(comm, **options)
        if comm.peer_address in addresses and isinstance(message, dict) and "result" in message:
            received.append(message)
        return message

    before = cache.traffic
    monkeypatch.setattr(TCP, "write", counted_write)
    monkeypatch.setattr(TCP, "read", counted_read)
    model.forward(make_tokens(CONFIG, 1, 20))
    traffic = cache.traffic - before
    assert len(sent) == len(received) == traffic.messages
    assert traffic.bytes_sent < sum(sent) < traffic.bytes_sent + HEADERS * len(sent)


def kill(workers, number):
    os.kill(workers.process_ids()[number], signal.SIGKILL)


@every_kind
def test_a_process_killed_between_tokens(make_model, make_tokens, dask_workers, kind):
    model, prompt = make_model(CONFIG), make_tokens(CONFIG, 1, 10)
    expected = generate(model, prompt, 12)
    cache = enable_sharded_cache(model, dask_workers, kind, **options_for(kind, 3))
    before = dask_workers.process_ids()
    written = []
    for token in stream(model, prompt, 12, cache=cache):
        written.append(int(token[0]))
        if len(written) == 5:
            kill(dask_workers, 1)
    assert written == expected[0, 10:].tolist()
    after = dask_workers.process_ids()
    assert (after[0], after[1] != before[1]) == (before[0], True)
    assert cache.recomputed_tokens > 0


def test_all_caches_of_a_killed_process_are_restored(make_model, make_tokens, dask_workers):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 10)
    expected = model.forward(tokens)
    caches = [new_sharded_cache(model, dask_workers, kind) for kind in KINDS]
    for cache in caches:
        with use_kv_cache(model, cache):
            model.forward(tokens[:, :8])
    kill(dask_workers, 0)
    for cache in caches:
        with use_kv_cache(model, cache):
            last = model.forward(tokens[:, 8:])
        np.testing.assert_allclose(last, expected[:, 8:], atol=TOLERANCE)


def test_a_process_killed_while_it_computes(make_model, make_tokens, dask_workers):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 40)
    expected = model.forward(tokens)
    cache = enable_sharded_cache(model, dask_workers, "sequence", stripe=3)
    process = dask_workers.process_ids()[0]
    os.kill(process, signal.SIGSTOP)  # so that it cannot answer
    killer = threading.Timer(0.3, os.kill, (process, signal.SIGKILL))
    killer.start()
    logits = feed(model, tokens, [38, 1, 1])
    killer.join()
    np.testing.assert_allclose(logits, expected, atol=TOLERANCE)
    assert cache.seq_pos == 40


def test_errors_of_a_shard_are_raised_and_the_cache_works_on(make_model, make_tokens, dask_workers):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 8)
    expected = model.forward(tokens)
    cache = enable_sharded_cache(model, dask_workers, "heads")
    with pytest.raises(ValueError, match="layer_idx must be from 0 to 3, got 9"):
        cache._group.call("get", {0: (9, 0)})
    np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)


def test_any_cluster_by_its_address(make_model, make_tokens, dask_workers):
    model, tokens = make_model(CONFIG), make_tokens(CONFIG, 1, 8)
    expected = model.forward(tokens)
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            protocol="tcp://",
        ) as cluster,
        DaskWorkers(2, cluster.scheduler_address) as workers,
        Client(dask_workers.client.scheduler.address),  # another is the default now
    ):
        assert not workers.share_files
        for kind in KINDS:
            enable_sharded_cache(model, workers, kind)
            np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)


def test_a_cluster_with_too_few_workers_is_refused():
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
            protocol="tcp://",
        ) as cluster,
        pytest.raises(TimeoutError),
    ):
        DaskWorkers(2, cluster.scheduler_address, patience=0.3)


SCRIPT = """
import os, signal
import numpy as np
from tinytorch.core import GPT, ModelConfig
from tinytorch.distributed import DaskWorkers, enable_sharded_cache

if __name__ == "__main__":
    before = dict(os.environ)
    model = GPT(ModelConfig(vocab_size=9, embed_dim=8, num_layers=2, num_heads=2, max_seq_len=8))
    with DaskWorkers(2) as workers:
        cache = enable_sharded_cache(model, workers, "sequence", stripe=1)
        model.forward(np.array([[1, 2, 3]]))
        os.kill(workers.process_ids()[0], signal.SIGKILL)
        model.forward(np.array([[4]]))
        print(*workers.process_ids(), cache.recomputed_tokens)
    assert dict(os.environ) == before
"""


def test_a_script_says_nothing_and_leaves_nothing_behind(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (run.returncode, run.stderr) == (0, "")
    *processes, recomputed = map(int, run.stdout.split())
    assert recomputed == 2
    deadline = time.monotonic() + 5
    while any(map(psutil.pid_exists, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, processes))
