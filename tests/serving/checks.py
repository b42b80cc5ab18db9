"""What must hold after every step, computed from outside."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter

from tinytorch.serving import Engine, Scheduler


class ReplayedEvents:
    """The scheduler's state as its events alone tell it."""

    def __init__(self):
        self.events = []
        self.tables = {}
        self.waiting = []
        self.running = []
        self.ended = {}
        self.generated = Counter()

    def __call__(self, event):
        self.events.append(event)
        getattr(self, event["event"])(event, event["request"])

    def arrive(self, event, request):
        self.waiting.append(request)

    def admit(self, event, request):
        now = [other for other in self.events if other["step"] == event["step"]]
        assert "preempt" not in [other["event"] for other in now]
        assert self.waiting.pop(0) == request
        self.running.append(request)
        self.tables[request] = []

    def share(self, event, request):
        assert self.tables[request] == []
        self.tables[request] = list(event["blocks"])

    def copy(self, event, request):
        source, target = event["blocks"]
        table = self.tables[request]
        table[table.index(source)] = target

    def allocate(self, event, request):
        held = {block for table in self.tables.values() for block in table}
        assert held.isdisjoint(event["blocks"])
        self.tables[request] += event["blocks"]

    def compute(self, event, request):
        assert event["blocks"] == self.tables[request]

    def generate(self, event, request):
        self.generated[request] += event["tokens"]

    def free(self, event, request):
        for block in event["blocks"]:
            assert self.tables[request].pop() == block

    def preempt(self, event, request):
        assert self.running.pop() == request
        self.waiting.insert(0, request)

    def finish(self, event, request):
        self.running.remove(request)
        assert self.generated[request] == event["tokens"]
        self.ended[request] = event["event"], event["tokens"]

    def cancel(self, event, request):
        (self.running if request in self.running else self.waiting).remove(request)
        self.ended[request] = event["event"], event["tokens"]


def check_scheduler(scheduler: Scheduler, replayed: ReplayedEvents) -> None:
    """No block leaked, shared without being known, or counted wrongly; everyone in order."""
    pool, running, waiting = scheduler.pool, scheduler.running, scheduler.waiting
    uses = Counter()
    for request in running:
        table = request.table
        assert len(set(table.block_ids)) == len(table.block_ids)
        assert table.seq_pos <= len(table.block_ids) * pool.block_size
        assert table.seq_pos < len(request.tokens)
        if not scheduler.reserve_longest:
            assert len(table.block_ids) == -(-table.seq_pos // pool.block_size)
        uses.update(table.block_ids)
    assert pool.ref_counts == [uses[block] for block in range(pool.num_blocks)]
    assert sorted(pool.free) == [block for block in range(pool.num_blocks) if not uses[block]]
    assert pool.num_free == len(pool.free)
    known = pool.known
    assert len(set(known.values())) == len(known)
    assert all(pool.is_known(block) for block in known.values())
    assert all(block in known.values() for block, count in uses.items() if count > 1)
    for request in running:
        check_known_texts(request, known, pool.block_size)
    order = [request.request_id for request in [*running, *waiting]]
    assert order == sorted(order)
    assert len(running) <= scheduler.max_running
    assert all(request.table is None for request in waiting)
    assert replayed.running == [request.request_id for request in running]
    assert replayed.waiting == [request.request_id for request in waiting]
    for request in running:
        assert replayed.tables[request.request_id] == request.table.block_ids
        assert replayed.generated[request.request_id] == len(request.new_tokens)
    if not running:
        assert pool.num_free == pool.num_blocks


def check_known_texts(request, known, block_size):
    """A known block in a table holds what its hash says, by another way of hashing."""
    block_of = {block: text_hash for text_hash, block in known.items()}
    text_hash = b""
    for index, block in enumerate(request.table.block_ids):
        own = request.tokens[index * block_size : (index + 1) * block_size]
        packed = struct.pack(f"={len(own)}q", *own)
        text_hash = hashlib.sha256(text_hash + packed).digest()
        if block in block_of:
            assert block_of[block] == text_hash
            assert (index + 1) * block_size <= request.table.seq_pos


class CheckedEngine(Engine):
    """An engine that checks everything after every step."""

    def __init__(self, *args, **kwargs):
        self.replayed = ReplayedEvents()
        super().__init__(*args, on_event=self.replayed, **kwargs)
        self.forgotten = set()
        pool = self.scheduler.pool
        forget = pool.forget

        def remember(block):
            assert pool.ref_counts[block] <= 1, "a shared block is about to change"
            self.forgotten.add(block)
            forget(block)

        pool.forget = remember

    def known_contents(self):
        return {
            (text_hash, block): [part.tobytes() for part in self.cache.block(block)]
            for text_hash, block in self.scheduler.pool.known.items()
        }

    def step(self):
        scheduler = self.scheduler
        first = [*scheduler.running, *scheduler.waiting][:1]
        progress = [(len(r.tokens), r.table.seq_pos if r.table else 0) for r in first]
        self.forgotten.clear()
        before = self.known_contents()
        outputs = super().step()
        after = self.known_contents()
        for key in before.keys() & after.keys():
            unchanged = before[key] == after[key]
            assert unchanged or key[1] in self.forgotten, "a known block was written"
        check_scheduler(scheduler, self.replayed)
        for request, old in zip(first, progress, strict=True):
            now = len(request.tokens), request.table.seq_pos if request.table else 0
            assert request.done or now > old, "the first request must always advance"
        return outputs

    def cancel(self, request):
        super().cancel(request)
        check_scheduler(self.scheduler, self.replayed)
