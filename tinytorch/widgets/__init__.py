"""The interactive figures of the chapter: alive with a kernel, and on a website without one."""

import os

from tinytorch.widgets.answer_field import AnswerField
from tinytorch.widgets.attention_stepper import AttentionStepper
from tinytorch.widgets.base import STATIC, show_on_a_website
from tinytorch.widgets.cache_lab import CacheLab, record_lab
from tinytorch.widgets.cache_memory_explorer import CacheMemoryExplorer
from tinytorch.widgets.generation_player import GenerationPlayer, savings
from tinytorch.widgets.live_race import LiveRace
from tinytorch.widgets.operation_explorer import OperationExplorer
from tinytorch.widgets.records import record_run
from tinytorch.widgets.server_explorer import ServerExplorer

WIDGETS = (
    GenerationPlayer,
    OperationExplorer,
    CacheMemoryExplorer,
    AttentionStepper,
    CacheLab,
    LiveRace,
    ServerExplorer,
    AnswerField,
)

if os.environ.get(STATIC):
    show_on_a_website()

__all__ = [
    "AnswerField",
    "AttentionStepper",
    "CacheLab",
    "CacheMemoryExplorer",
    "GenerationPlayer",
    "LiveRace",
    "OperationExplorer",
    "ServerExplorer",
    "record_lab",
    "record_run",
    "savings",
]
