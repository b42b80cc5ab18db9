"""TinyTorch: a NumPy transformer, a KV cache, and what the cache costs and buys."""

from tinytorch.core import GPT, ModelConfig
from tinytorch.generation import (
    KVCache,
    disable_kv_cache,
    enable_kv_cache,
    generate,
    get_kv_cache,
    stream,
    use_kv_cache,
)
from tinytorch.profiling import Profiler, count_operations

__version__ = "0.1.0"

__all__ = [
    "GPT",
    "KVCache",
    "ModelConfig",
    "Profiler",
    "count_operations",
    "disable_kv_cache",
    "enable_kv_cache",
    "generate",
    "get_kv_cache",
    "stream",
    "use_kv_cache",
]
