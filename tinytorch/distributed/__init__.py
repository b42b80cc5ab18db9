"""One cache on several workers: its tokens, layers or heads spread over processes, on Dask."""

from tinytorch.distributed.connection import Connection, measure_connection
from tinytorch.distributed.dask_workers import DaskWorkers
from tinytorch.distributed.enable import enable_sharded_cache, new_sharded_cache
from tinytorch.distributed.partial_softmax import attend_part, merge_parts
from tinytorch.distributed.sharded_cache import ShardedKVCache
from tinytorch.distributed.traffic import (
    Traffic,
    heads_traffic,
    layers_traffic,
    sequence_traffic,
)
from tinytorch.distributed.workers import LocalWorkers, WorkerLostError, Workers

__all__ = [
    "Connection",
    "DaskWorkers",
    "LocalWorkers",
    "ShardedKVCache",
    "Traffic",
    "WorkerLostError",
    "Workers",
    "attend_part",
    "enable_sharded_cache",
    "heads_traffic",
    "layers_traffic",
    "measure_connection",
    "merge_parts",
    "new_sharded_cache",
    "sequence_traffic",
]
