"""The loader of the engine in a page, with hosts, disks and readers that misbehave."""

import hashlib
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser import faults
from tests.browser.tiny_model import write_tiny_model
from tinytorch.browser.bundle import engine_script
from tinytorch.browser.pieces import write_pieces

SOURCES = Path(__file__).parents[2] / "tinytorch" / "browser"
SIZE, PIECE = 418_816, 100_000
PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>
<input type="file" multiple>
<script src="browser/engine.js"></script>
<script>
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));

/** What `work` gives, or what a reader would be told. */
window.attempt = async (work) => {
  try {
    return { value: await work() };
  } catch ({ name, code, message }) {
    return { name, code, message };
  }
};
window.events = [];
window.options = { onProgress: (event) => events.push(event) };
window.loaded = async (more) => {
  window.model = await engine.load("model/manifest.json", { ...options, ...more });
  return model.kept;
};
window.tokens = async (maxTokens = 8) => {
  const ids = [];
  for await (const { id } of model.generate([1, 2, 3], { maxTokens })) ids.push(id);
  return ids;
};
</script>
"""
MODULES = "async () => { window.engine = await import('./browser/index.mjs'); }"
SCRIPT = "() => { window.engine = tinytorchEngine; }"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with the engine, and a small model in five pieces."""
    folder = tmp_path_factory.mktemp("site")
    model = folder / "tiny.gguf"
    write_tiny_model(model)
    about = {"licence": "MIT", "origin": "this test", "piece_size": PIECE}
    manifest = write_pieces(model, folder / "model", **about)
    assert (manifest["size"], len(manifest["pieces"])) == (SIZE, 5)
    (folder / "browser").mkdir()
    for file in (*SOURCES.glob("*.mjs"), SOURCES / "kernels.wasm"):
        shutil.copy(file, folder / "browser")
    (folder / "browser" / "engine.js").write_text(engine_script(manifest), encoding="utf-8")
    (folder / "page.html").write_text(PAGE, encoding="utf-8")
    return folder


@pytest.fixture
def host(site):
    with faults.host(site) as host:
        yield host


@pytest.fixture
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def opened(context):
    """Open pages; in the end, none may have met an error that nobody handled."""
    pages = []

    def open_page(url, prepare=MODULES):
        page = context.new_page()
        pages.append(page)
        page.goto(url)
        page.evaluate(prepare)
        return page

    yield open_page
    for page in pages:
        assert page.evaluate("problems") == []


@pytest.fixture
def page(opened, host):
    return opened(f"{host.url}/page.html")


def name(number):
    return f"tiny.{number}-of-5.bin"


def starts(host, name):
    """Return the first byte of each request of a file."""
    return [start for asked, start in host.requests if asked == name]


def attempt(page, work):
    """Return what an expression gives in the page, or what its error tells a reader."""
    return page.evaluate(f"() => attempt(async () => {work})")


@pytest.fixture(scope="module")
def expected(browser, site):
    """The tokens of a model that was loaded without a fault."""
    with faults.host(site) as host:
        page = browser.new_page()
        page.goto(f"{host.url}/page.html")
        page.evaluate(MODULES)
        assert attempt(page, "loaded()") == {"value": True}
        tokens = page.evaluate("tokens()")
        page.close()
    assert len(tokens) == 8
    return tokens


def is_sentence(text):
    return re.fullmatch(r"[A-Z][^.!?]{15,200}\.( [A-Z].*\.)?", text) is not None


def test_nothing_is_fetched_before_the_reader_asks(page, host, expected):
    assert host.asked_for() == []
    assert page.evaluate("tinytorchEngine.isKept(tinytorchEngine.site.manifest)") is False
    assert attempt(page, "loaded()") == {"value": True}
    assert sorted(host.asked_for()) == [(name(i), 0) for i in range(1, 6)]
    assert page.evaluate("tokens()") == expected


def test_progress_ends_at_the_whole(page):
    attempt(page, "loaded()")
    events = page.evaluate("events")
    assert events[-1] == {"loaded": SIZE, "total": SIZE, "secondsLeft": 0}
    sizes = [event["loaded"] for event in events]
    assert sizes == sorted(sizes)


def test_the_time_that_is_left_is_about_right(page, host):
    for i in range(1, 6):
        host.fault(name(i), faults.slow(0.1))
    attempt(page, "loaded()")
    events = page.evaluate("events")
    halfway = next(event for event in events if event["loaded"] > SIZE / 2)
    assert 0.2 < halfway["secondsLeft"] < 3  # about 0.7 s: 2 pieces at once, 7 parts of 0.1 s each


@pytest.mark.parametrize("prepare", [MODULES, SCRIPT], ids=["modules", "script"])
def test_a_second_visit_fetches_nothing_until_the_model_is_removed(opened, host, expected, prepare):
    page = opened(f"{host.url}/page.html", prepare)
    attempt(page, "loaded()")
    page.reload()
    page.evaluate(prepare)
    before = len(host.asked_for())
    manifest = "tinytorchEngine.site.manifest"
    assert page.evaluate(f"engine.isKept({manifest})") is True
    assert attempt(page, "loaded()") == {"value": True}
    assert page.evaluate("tokens()") == expected
    assert len(host.asked_for()) == before
    page.evaluate(f"engine.removeWeights({manifest})")
    assert page.evaluate(f"engine.isKept({manifest})") is False
    assert page.evaluate("tokens()") == expected, "what runs has its own copy"
    attempt(page, "loaded()")
    assert len(host.asked_for()) == before + 5


def test_a_changed_byte_is_found_and_the_piece_fetched_again(page, host, expected):
    host.fault(name(2), faults.one_byte_changed)
    assert attempt(page, "loaded()") == {"value": True}
    assert host.requests.count((name(2), 0)) == 2
    assert page.evaluate("tokens()") == expected


def test_a_piece_that_stays_damaged_is_refused(page, host, expected):
    host.fault(name(2), faults.one_byte_changed, faults.one_byte_changed)
    told = attempt(page, "loaded()")
    assert (told["name"], told["code"]) == ("EngineError", "damaged")
    assert "Piece 2 of 5" in told["message"]
    assert is_sentence(told["message"])
    assert attempt(page, "loaded()") == {"value": True}, "nothing wrong was kept"
    assert page.evaluate("tokens()") == expected


CORRUPT = """async () => {
  const root = await navigator.storage.getDirectory();
  for await (const all of root.values()) for await (const model of all.values()) {
    for await (const file of model.values()) {
      const writer = await file.createWritable({ keepExistingData: true });
      await writer.write({ type: "write", position: 1000, data: new Uint8Array([1, 2, 3]) });
      await writer.close();
    }
  }
}"""


def test_a_damaged_disk_is_noticed(page, host, expected):
    attempt(page, "loaded()")
    page.evaluate(CORRUPT)
    assert attempt(page, "loaded()") == {"value": True}
    assert len(host.asked_for()) == 10
    assert page.evaluate("tokens()") == expected


def test_a_missing_piece_is_named(page, host):
    host.fault(name(4), faults.missing)
    told = attempt(page, "loaded()")
    assert told["code"] == "missing"
    assert told["message"] == "Piece 4 of 5 of the model is not on this site (status 404)."
    assert page.evaluate("typeof model") == "undefined"


def test_a_site_without_the_model_says_so(page):
    told = attempt(page, "engine.load('model/other.json')")
    assert told["code"] == "missing"
    assert is_sentence(told["message"])


def test_a_connection_that_breaks_goes_on_at_the_byte_where_it_broke(page, host, expected):
    host.fault(name(3), faults.cut(0.5), faults.busy)
    assert attempt(page, "loaded()") == {"value": True}
    assert starts(host, name(3)) == [0, PIECE // 2, PIECE // 2]
    assert page.evaluate("tokens()") == expected


def test_after_a_lost_connection_the_next_visit_fetches_only_what_is_missing(page, host, expected):
    dead = [faults.cut(0.5), *[faults.cut(0)] * 4]
    host.fault(name(3), *dead)
    told = attempt(page, "loaded()")
    assert told["code"] == "network"
    assert "they are kept" in told["message"]
    assert is_sentence(told["message"])
    page.reload()
    page.evaluate(MODULES)
    host.requests.clear()
    host.faults.clear()
    sent = host.sent
    assert attempt(page, "loaded()") == {"value": True}
    assert starts(host, name(3)) == [PIECE // 2]
    assert starts(host, name(1)) == []
    assert host.sent - sent < SIZE / 2 + PIECE
    assert page.evaluate("tokens()") == expected


def test_a_host_without_ranges_sends_the_piece_again(page, host, expected):
    host.fault(name(3), faults.cut(0.5), faults.without_ranges)
    assert attempt(page, "loaded()") == {"value": True}
    assert page.evaluate("events.at(-1).loaded") == SIZE
    assert page.evaluate("tokens()") == expected


def test_a_full_disk_keeps_nobody_from_the_model(page, host, expected):
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": host.url, "quotaSize": 150_000})
    assert attempt(page, "loaded()") == {"value": False}
    assert page.evaluate("tokens()") == expected
    assert page.evaluate("engine.isKept(tinytorchEngine.site.manifest)") is False
    session.send("Storage.overrideQuotaForOrigin", {"origin": host.url})
    assert attempt(page, "loaded()") == {"value": True}


STOP = """async (when) => {
  const stop = new AbortController();
  let arrived;
  const enough = new Promise((resolve) => (arrived = resolve));
  const onProgress = ({ loaded }) => loaded >= when.loaded && arrived();
  const load = attempt(() => loaded({ signal: stop.signal, onProgress }));
  await (when.loaded ? enough : new Promise((resolve) => setTimeout(resolve, when.ms)));
  stop.abort();
  const before = performance.now();
  const told = await load;
  return { ...told, late: performance.now() - before };
}"""


def test_loading_can_be_stopped_at_any_moment_and_goes_on_later(page, host, expected):
    moments = [{"ms": ms} for ms in (0, 1, 5, 20, 60, 150)]
    for when in (*moments, {"loaded": 1}, {"loaded": SIZE / 2}):
        for i in range(1, 6):
            host.faults[name(i)] = [faults.slow(0.1)]
        told = page.evaluate(STOP, when)
        assert told["name"] == "AbortError", (when, told)
        assert told["late"] < 100
    host.faults.clear()
    sent = host.sent
    assert attempt(page, "loaded()") == {"value": True}
    assert host.sent - sent < 0.7 * SIZE, "what had arrived was kept"
    assert page.evaluate("tokens()") == expected
    assert page.evaluate("attempt(() => loaded({ signal: AbortSignal.abort() }))")["name"] == (
        "AbortError"
    )


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


KILL = """async () => {
  const ids = [];
  const told = await attempt(async () => {
    for await (const { id } of model.generate([1, 2, 3], { maxTokens: 8 })) {
      ids.push(id);
      if (ids.length === 3) worker.terminate();
    }
  });
  return { ...told, ids, later: await attempt(() => tokens()) };
}"""
REMEMBER_WORKER = """() => {
  window.Worker = class extends Worker {
    constructor(...args) { super(...args); window.worker = this; }
  };
}"""


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


def test_two_tabs_fetch_each_piece_once(opened, host, expected):
    for i in range(1, 6):
        host.fault(name(i), faults.slow(0.05))
    tabs = [opened(f"{host.url}/page.html") for _ in range(2)]
    for tab in tabs:
        tab.evaluate("() => { window.told = attempt(() => loaded()); }")
    tabs[0].wait_for_function("events.length > 1")
    busy = tabs[1].evaluate("attempt(() => engine.removeWeights(tinytorchEngine.site.manifest))")
    assert busy["code"] == "busy"
    assert is_sentence(busy["message"])
    assert [tab.evaluate("told") for tab in tabs] == [{"value": True}] * 2
    assert len(host.asked_for()) == 5
    assert [tab.evaluate("tokens()") for tab in tabs] == [expected] * 2


def test_a_frozen_tab_goes_on_where_it_was(page, expected):
    attempt(page, "loaded()")
    session = page.context.new_cdp_session(page)
    page.evaluate(
        """() => {
          window.ids = [];
          window.ended = (async () => {
            for await (const { id } of model.generate([1, 2, 3], { maxTokens: 8 })) {
              ids.push(id);
              await new Promise((resolve) => setTimeout(resolve, 30));
            }
          })();
        }"""
    )
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    page.wait_for_timeout(500)
    session.send("Page.setWebLifecycleState", {"state": "active"})
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


def test_without_a_network_a_sentence_says_so(page):
    page.context.set_offline(True)
    told = attempt(page, "loaded()")
    assert told["code"] == "network"
    assert is_sentence(told["message"])
    page.context.set_offline(False)
    assert attempt(page, "loaded()") == {"value": True}


def test_a_plain_http_page_runs_it_and_keeps_nothing(context, site, expected):
    def answer(route):
        route.fulfill(path=site / urlsplit(route.request.url).path.removeprefix("/"))

    context.route("http://plain.test/**", answer)
    page = context.new_page()
    page.goto("http://plain.test/page.html")
    page.evaluate(MODULES)
    assert page.evaluate("[isSecureContext, crypto.subtle]") == [False, None]
    assert attempt(page, "loaded()") == {"value": False}
    assert page.evaluate("tokens()") == expected
    assert page.evaluate("problems") == []


LOAD_CHOSEN = """async () => {
  const files = document.querySelector("input").files;
  window.model = await tinytorchEngine.load(tinytorchEngine.site, { ...options, files });
  return model.kept;
}"""


@pytest.fixture
def file_page(opened, site):
    return opened((site / "page.html").as_uri(), SCRIPT)


@pytest.mark.parametrize("whole", [True, False], ids=["file", "pieces"])
def test_on_a_page_from_a_file_the_reader_chooses_the_file_or_its_pieces(
    file_page, site, expected, whole, tmp_path
):
    others = [site / "page.html", site / "model" / "manifest.json"]
    pieces = sorted((site / "model").glob("*.bin"), reverse=True)
    renamed = shutil.copy(pieces.pop(), tmp_path / "renamed")
    files = [site / "tiny.gguf"] if whole else [*others, *pieces, renamed]
    file_page.locator("input").set_input_files(files)
    assert attempt(file_page, f"({LOAD_CHOSEN})()") == {"value": False}
    assert file_page.evaluate("tokens()") == expected
    assert file_page.evaluate("events.at(-1).loaded") == SIZE


def test_on_a_page_from_a_file_wrong_and_missing_files_are_named(file_page, site, tmp_path):
    damaged = tmp_path / "damaged.bin"
    damaged.write_bytes(bytes(PIECE))
    chosen = file_page.locator("input")
    chosen.set_input_files([damaged])
    told = attempt(file_page, f"({LOAD_CHOSEN})()")
    assert told["code"] == "wrong-file"
    assert told["message"].startswith("This is not tiny.gguf, nor a piece of it: choose tiny.1-of")
    pieces = [site / "model" / name(i) for i in (1, 3, 5)]
    chosen.set_input_files([*pieces, damaged])
    told = attempt(file_page, f"({LOAD_CHOSEN})()")
    assert told["message"].startswith(f"Still missing, or damaged: {name(2)}, {name(4)}. ")


def test_a_killed_worker_is_noticed_on_a_page_from_a_file(file_page, site, expected):
    file_page.locator("input").set_input_files([site / "tiny.gguf"])
    file_page.evaluate(REMEMBER_WORKER)
    attempt(file_page, f"({LOAD_CHOSEN})()")
    told = file_page.evaluate(KILL)
    assert (told["code"], told["ids"]) == ("lost", expected[:3])


def test_sha256_without_the_browser_is_that_of_python(page, host):
    code = """async (sizes) => {
      const { digest } = await import("./browser/sha256.mjs");
      const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
      return sizes.map((size) => hex(digest(Uint8Array.from({ length: size }, (_, i) => i * 7))));
    }"""
    sizes = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]
    data = [bytes(i * 7 % 256 for i in range(size)) for size in sizes]
    assert page.evaluate(code, sizes) == [hashlib.sha256(part).hexdigest() for part in data]
