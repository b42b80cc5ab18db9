"""The KV cache, how to add it to a model, and how to write text with it."""

from tinytorch.generation.decoding import Sampler, generate, stream
from tinytorch.generation.enable import (
    disable_kv_cache,
    enable_kv_cache,
    get_kv_cache,
    set_kv_cache,
    use_kv_cache,
)
from tinytorch.generation.kv_cache import KVCache

__all__ = [
    "KVCache",
    "Sampler",
    "disable_kv_cache",
    "enable_kv_cache",
    "generate",
    "get_kv_cache",
    "set_kv_cache",
    "stream",
    "use_kv_cache",
]
