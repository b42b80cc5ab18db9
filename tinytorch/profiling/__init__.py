"""How long, how much memory, how many operations."""

from tinytorch.profiling.counters import OperationCount, count_operations
from tinytorch.profiling.profiler import Latency, MemoryUse, Profiler

__all__ = ["Latency", "MemoryUse", "OperationCount", "Profiler", "count_operations"]
