"""SmolLM2 with its cache in parts: three key/value heads and thirty layers do not divide evenly."""

import numpy as np
import pytest

from tests.distributed.small import FailingWorkers
from tinytorch.distributed import new_sharded_cache
from tinytorch.generation import generate, stream
from tinytorch.models import load_smollm2

NEW = 6


@pytest.fixture(scope="module")
def run():
    model, tokenizer = load_smollm2()
    prompt = tokenizer.encode("The keeper of the old light goes out every evening, and rings")
    return model, prompt, generate(model, prompt, NEW)[len(prompt) :].tolist()


@pytest.mark.parametrize(
    ("kind", "num_workers", "options"),
    [("sequence", 4, {"stripe": 3}), ("heads", 2, {}), ("heads", 3, {}), ("layers", 4, {})],
)
def test_the_same_text_also_after_a_loss(run, kind, num_workers, options):
    model, prompt, expected = run
    workers = FailingWorkers(num_workers)
    cache = new_sharded_cache(model, workers, kind, max_seq_len=32, **options)
    steps = stream(model, prompt, NEW, cache=cache)
    written = [int(next(steps)[0])]
    workers.losses = {workers.asked + 3: 1}
    written += [int(token[0]) for token in steps]
    assert written == expected
    assert cache.recomputed_tokens > 0
    assert np.isfinite(cache.get(29)[0]).all()
