"""What the engine takes from the reader's machine: the browser's processes, with what they share
counted once."""

import psutil
import pytest

MOST = 300  # MiB


def rendering_mib():
    """Memory of the pages of the browser that the tests started."""
    memory = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in " ".join(process.cmdline()):
                memory += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return memory / 2**20


@pytest.mark.alone
@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells what processes share")
def test_a_model_with_a_cache_of_1024_tokens_takes_less_than_300_mib(chromium, served, page):
    new = chromium.new_page()
    new.goto(page.url)
    new.wait_for_function("() => window.isReady")
    before = rendering_mib()
    new.evaluate(
        """async () => {
          window.smollm2 = await load("smollm2.gguf");
          window.cache = smollm2.model.newCache(1024);
          const tokens = Array.from({ length: 300 }, (_, i) => i);
          smollm2.model.forward(tokens, 0, cache, { lastOnly: true });
        }"""
    )
    taken = rendering_mib() - before
    new.close()
    assert 100 < taken < MOST
