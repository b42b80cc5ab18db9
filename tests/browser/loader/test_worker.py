"""The model in its worker: runs that end early, workers that die, browsers that cannot."""

import pytest

from tests.browser.loader import faults
from tests.browser.loader.small_site import (
    KILL,
    MODULES,
    REMEMBER_WORKER,
    attempt,
    is_sentence,
    name,
)
from tests.browser.tabs import tab
from tests.gguf_files import TOKENS


def test_an_iteration_can_be_left_stopped_and_run_beside_another(page, expected):
    attempt(page, "loaded()")
    left = """async () => {
      const ids = [];
      for await (const { id } of model.generate([1, 2, 3], { maxTokens: 8 })) {
        ids.push(id);
        if (ids.length === 3) break;
      }
      return ids;
    }"""
    assert page.evaluate(left) == expected[:3]
    stopped = """async () => {
      const stop = new AbortController();
      const ids = [];
      const told = await attempt(async () => {
        const options = { maxTokens: 8, signal: stop.signal };
        for await (const { id } of model.generate([1, 2, 3], options)) {
          ids.push(id);
          if (ids.length === 3) setTimeout(() => stop.abort());
          if (ids.length === 3) await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      return [told.name, ids];
    }"""
    assert page.evaluate(stopped) == ["AbortError", expected[:3]]
    assert page.evaluate("Promise.all([tokens(), tokens(5)])") == [expected, expected[:5]]


def test_a_killed_worker_is_noticed_and_the_model_loads_again(page, expected):
    page.evaluate(REMEMBER_WORKER)
    attempt(page, "loaded()")
    told = page.evaluate(KILL)
    assert told["ids"] == expected[:3]
    assert told["code"] == told["later"]["code"] == "lost"
    assert told["message"].startswith("The engine was stopped by the browser: what it has said is")
    assert attempt(page, "loaded()") == {"value": True}
    assert page.evaluate("tokens()") == expected


def test_a_worker_killed_while_it_loads_is_noticed(page, host):
    page.evaluate(REMEMBER_WORKER)
    for i in range(1, 6):
        host.fault(name(i), faults.slow(0.2))
    page.evaluate("() => { window.told = attempt(() => loaded()); }")
    page.wait_for_function("events.length > 1")
    page.evaluate("worker.terminate()")
    assert page.evaluate("told")["code"] == "lost"


def test_a_closed_model_says_so(page):
    attempt(page, "loaded()")
    page.evaluate("model.close()")
    assert attempt(page, "tokens()")["message"] == "The model was closed."


def test_a_frozen_tab_goes_on_where_it_was(chromium, host, expected):
    with tab(chromium) as page:
        page.open(f"{host.url}/page.html")
        page.evaluate(f"({MODULES})()")
        assert page.evaluate("attempt(() => loaded())") == {"value": True}
        page.run(
            """
            window.ids = [];
            window.ended = (async () => {
              for await (const { id } of model.generate([1, 2, 3], { maxTokens: 8 })) {
                ids.push(id);
                await new Promise((resolve) => setTimeout(resolve, 50));
              }
            })();
            """
        )
        page.freeze()
        page.wait(500)
        begun = page.evaluate("ids")
        page.wait(500)
        assert page.evaluate("ids") == begun
        assert len(begun) < len(expected)
        page.thaw()
        page.evaluate("ended")
        assert page.evaluate("ids") == expected


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("delete window.Worker", "no-worker"),
        ("delete window.WebAssembly", "no-wasm"),
        ("WebAssembly.validate = () => false", "no-simd"),
    ],
)
def test_a_browser_that_cannot_is_told_before_anything_is_fetched(page, host, before, code):
    page.evaluate(f"() => {{ {before}; }}")
    before = len(host.requests)
    told = attempt(page, "loaded()")
    assert (told["name"], told["code"]) == ("EngineError", code)
    assert is_sentence(told["message"])
    assert len(host.requests) == before


def test_too_little_memory_is_said(page):
    site = "{ ...tinytorchEngine.site.manifest, size: 2 ** 41 }"
    told = attempt(page, f"engine.load({{ manifest: {site}, base: 'model/manifest.json' }})")
    assert told["code"] == "memory"
    assert is_sentence(told["message"])


def test_a_prompt_that_does_not_fit_is_explained(page):
    attempt(page, "loaded()")
    work = "{ for await (const _ of model.generate(Array(4090).fill(5), { maxTokens: 20 })); }"
    told = attempt(page, work)
    assert told["code"] == "input"
    assert is_sentence(told["message"])
    assert "4090 tokens" in told["message"]


def test_text_becomes_tokens_and_text_again(page):
    attempt(page, "loaded()")
    ids = page.evaluate("model.tokenizer.encode('cab z')")
    assert [TOKENS[i] for i in ids] == ["c", "ab", "Ġ", "z"]
    assert page.evaluate("(ids) => model.tokenizer.decode(ids)", ids) == "cab z"
    told = attempt(page, "model.tokenizer.encode('1')")
    assert told["code"] == "input"
    assert is_sentence(told["message"])


PREFILL = """{
  const run = model.generate(Array(4000).fill(5), { maxTokens: 1 });
  return (await run.next()).value.ms;
}"""
STOP_PREFILL = """async () => {
  const stop = new AbortController();
  const options = { maxTokens: 1, signal: stop.signal };
  const ended = attempt(async () => {
    for await (const _ of model.generate(Array(4000).fill(5), options));
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const asked = performance.now();
  stop.abort();
  const { name } = await ended;
  const told = performance.now() - asked;
  const ids = await tokens(1);
  return { name, told, free: performance.now() - asked, ids };
}"""


def test_stop_reaches_the_engine_within_a_prefill(page, expected):
    attempt(page, "loaded()")
    whole = attempt(page, PREFILL)["value"]
    assert whole > 400, "the prefill must be longer than the test waits"
    found = page.evaluate(STOP_PREFILL)
    assert found["name"] == "AbortError"
    assert found["told"] < 100
    assert found["free"] < whole / 2, "the engine had stopped too"
    assert found["ids"] == expected[:1]
