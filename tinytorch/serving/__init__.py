"""Many texts at once: blocks, a paged cache, a scheduler, an engine, speculation."""

from tinytorch.serving.blocks import BlockPool, BlockTable, OutOfBlocksError
from tinytorch.serving.engine import Engine, Generation
from tinytorch.serving.metrics import EngineMetrics
from tinytorch.serving.paged_cache import PagedKVCache, forward_ragged
from tinytorch.serving.request import Chunk, Request, Step
from tinytorch.serving.scheduler import Scheduler
from tinytorch.serving.speculate import prompt_lookup, speculate, verify
from tinytorch.serving.workloads import Arrival, make_workload, replay

__all__ = [
    "Arrival",
    "BlockPool",
    "BlockTable",
    "Chunk",
    "Engine",
    "EngineMetrics",
    "Generation",
    "OutOfBlocksError",
    "PagedKVCache",
    "Request",
    "Scheduler",
    "Step",
    "forward_ragged",
    "make_workload",
    "prompt_lookup",
    "replay",
    "speculate",
    "verify",
]
