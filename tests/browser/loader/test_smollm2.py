"""The language model itself, from the pieces of a site to its answer."""

import json
from pathlib import Path

import pytest

from tests.browser.loader import faults
from tests.browser.loader.small_site import attempt, write_site
from tinytorch.browser.pieces import PIECE_SIZE
from tinytorch.models import smollm2_gguf

REFERENCE = Path(__file__).parents[2] / "models" / "reference_smollm2.json"
WATCH = """() => {
  window.long = [];
  const note = (list) => long.push(...list.getEntries().map(({ duration }) => duration));
  new PerformanceObserver(note).observe({ type: "longtask" });
}"""
"""Note the tasks of the page that take more than 50 ms."""

ANSWER = """async ({ text, chat, count, cache }) => {
  const prompt = chat ? await model.tokenizer.encodeChat(text) : text;
  const ids = [];
  const options = { maxTokens: count, cache, stopTokens: [] };
  for await (const { id } of model.generate(prompt, options)) ids.push(id);
  return ids;
}"""


@pytest.fixture(scope="module")
def model_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smollm2")
    write_site(folder, smollm2_gguf(), PIECE_SIZE)
    with faults.host(folder) as host:
        yield host


def test_it_says_what_the_references_say_and_never_blocks_the_page(opened, model_host):
    page = opened(f"{model_host.url}/page.html")
    page.evaluate(WATCH)
    assert attempt(page, "loaded()") == {"value": True}
    prompts = json.loads(REFERENCE.read_text(encoding="utf-8"))["prompts"]
    chosen = [prompts[0], next(prompt for prompt in prompts if prompt["chat"])]
    for prompt in chosen:
        for cache, count in ((True, 16), (False, 4)):
            run = {"text": prompt["text"], "chat": prompt["chat"], "cache": cache, "count": count}
            assert page.evaluate(ANSWER, run) == prompt["new_tokens"][:count]
    assert page.evaluate("long") == []
