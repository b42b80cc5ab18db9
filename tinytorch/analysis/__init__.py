"""Cost formulas, public models, recorded runs and tables."""

from tinytorch.analysis.capacity import (
    longest_that_fits,
    sequences_that_fit,
    weight_bytes,
)
from tinytorch.analysis.committed import committed_results
from tinytorch.analysis.costs import (
    arithmetic_intensity,
    decode_bytes,
    forward_operations,
    generation_operations,
    generation_score_pairs,
    kv_cache_bytes,
    kv_projections,
    num_parameters,
    score_pairs,
)
from tinytorch.analysis.model_zoo import (
    CHAPTER_MODELS,
    MODEL_ZOO,
    ModelSpec,
    get_model,
    parameter_count,
)
from tinytorch.analysis.reports import (
    analyze_kvcache_memory,
    analyze_kvcache_speedup,
    profile_naive_generation,
    table,
)
from tinytorch.analysis.trace import trace_generation

__all__ = [
    "CHAPTER_MODELS",
    "MODEL_ZOO",
    "ModelSpec",
    "analyze_kvcache_memory",
    "analyze_kvcache_speedup",
    "arithmetic_intensity",
    "committed_results",
    "decode_bytes",
    "forward_operations",
    "generation_operations",
    "generation_score_pairs",
    "get_model",
    "kv_cache_bytes",
    "kv_projections",
    "longest_that_fits",
    "num_parameters",
    "parameter_count",
    "profile_naive_generation",
    "score_pairs",
    "sequences_that_fit",
    "table",
    "trace_generation",
    "weight_bytes",
]
