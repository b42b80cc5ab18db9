"""Small models of every style, with weights large enough to make a mistake visible."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tinytorch.core import GPT, ModelConfig, weight_shapes

# The same examples on every run: a failure on one machine is a failure on all. A busy machine is
# no failure.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=True,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests of pages and figures run in other browsers: tests/browser/drivers/choice.py."""
    parser.addoption("--browsers", default="usual", help="all, usual, or names with commas")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Keep what shares a browser or a model in one process; without pytest-xdist, nothing asks."""
    from tests.scheduling import LongestFirst

    return LongestFirst(config, log)


OTHER_PROCESSES = ("tests/browser/", "tests/coursework/", "tests/distributed/", "tests/serving/")
"""Where tests wait for a browser, a kernel or a worker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test that waits for other processes fail once; the summary names it all the same."""
    for item in items:
        if item.nodeid.startswith(OTHER_PROCESSES):
            item.add_marker(pytest.mark.flaky(reruns=1))


GPT2 = {"vocab_size": 61, "embed_dim": 32, "num_layers": 2, "num_heads": 4, "max_seq_len": 48}
LLAMA = GPT2 | {"norm": "rmsnorm", "positions": "rope", "mlp": "swiglu", "bias": False}

STYLES = {
    "gpt2": ModelConfig(**GPT2),
    "gpt2-untied-no-bias": ModelConfig(**GPT2 | {"tied_embeddings": False, "bias": False}),
    "gpt2-one-wide-odd-head": ModelConfig(
        **GPT2 | {"embed_dim": 10, "num_heads": 1, "head_dim": 15, "num_layers": 1}
    ),
    "gpt2-grouped": ModelConfig(**GPT2 | {"num_kv_heads": 2}),
    "llama": ModelConfig(**LLAMA),
    "llama-grouped-wide-heads-untied": ModelConfig(
        **LLAMA
        | {
            "embed_dim": 24,
            "num_heads": 6,
            "num_kv_heads": 2,
            "head_dim": 10,
            "mlp_dim": 40,
            "rope_theta": 500_000.0,
            "norm_eps": 1e-6,
            "tied_embeddings": False,
        }
    ),
    "llama-multi-query": ModelConfig(**LLAMA | {"num_kv_heads": 1, "num_layers": 3}),
    "mixed": ModelConfig(**LLAMA | {"norm": "layernorm", "mlp": "gelu", "bias": True}),
}


@pytest.fixture(scope="session")
def smollm2_config() -> ModelConfig:
    """HuggingFaceTB/SmolLM2-135M-Instruct, config.json."""
    return ModelConfig(
        vocab_size=49_152,
        embed_dim=576,
        num_layers=30,
        num_heads=9,
        num_kv_heads=3,
        head_dim=64,
        mlp_dim=1_536,
        max_seq_len=8_192,
        norm="rmsnorm",
        norm_eps=1e-5,
        positions="rope",
        rope_theta=100_000.0,
        mlp="swiglu",
        bias=False,
        tied_embeddings=True,
    )


def random_weights(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights that make attention sharp and no bias, norm or position neutral."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in weight_shapes(config).items():
        drawn = rng.standard_normal(shape)
        if "norm" in name and name.endswith("weight"):
            drawn = 1 + 0.2 * drawn
        elif name.endswith("bias"):
            drawn *= 0.3
        elif "embedding" not in name:
            drawn *= 1.5 / np.sqrt(shape[-1])
        weights[name] = drawn.astype(np.float32)
    return weights


@pytest.fixture(scope="session", params=STYLES.values(), ids=STYLES.keys())
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return request.param


@pytest.fixture(scope="session")
def gpt2_config() -> ModelConfig:
    return STYLES["gpt2"]


@pytest.fixture(scope="session")
def llama_config() -> ModelConfig:
    return STYLES["llama-grouped-wide-heads-untied"]


@pytest.fixture(scope="session", params=["gpt2", "llama-grouped-wide-heads-untied"])
def learned_or_rope_config(request: pytest.FixtureRequest) -> ModelConfig:
    return STYLES[request.param]


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., dict[str, np.ndarray]]:
    return random_weights


@pytest.fixture(scope="session")
def make_model() -> Callable[..., GPT]:
    def make(config: ModelConfig, seed: int = 0, cls: type[GPT] = GPT) -> GPT:
        return cls(config, weights=random_weights(config, seed))

    return make


@pytest.fixture(scope="session")
def make_tokens() -> Callable[..., np.ndarray]:
    def make(config: ModelConfig, batch_size: int, num_tokens: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.integers(0, config.vocab_size, (batch_size, num_tokens))

    return make
