"""What ``import tinytorch`` gives in the judge's room: the model, and nothing that is the task.

Names that would do the student's work can be written down, as in an annotation, but not used.
"""

from tinytorch.core import GPT, ModelConfig
from tinytorch.profiling import Profiler, count_operations

__all__ = ["GPT", "ModelConfig", "Profiler", "count_operations"]

ABSENT = [
    "KVCache",
    "generate",
    "stream",
    "enable_kv_cache",
    "disable_kv_cache",
    "get_kv_cache",
    "use_kv_cache",
]


def __getattr__(name: str) -> type:
    """Return a stand-in that raises an error when it is called."""
    if name not in ABSENT:
        raise AttributeError(f"module 'tinytorch' has no attribute {name!r}")

    def refuse(self, *args, **options):
        raise RuntimeError(f"tt.{name} is not there when your work is graded: write your own")

    return type(name, (), {"__init__": refuse})
