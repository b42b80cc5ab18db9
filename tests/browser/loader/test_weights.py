"""The weights on their way into a page, with hosts, disks and readers that misbehave."""

import hashlib
from urllib.parse import urlsplit

import pytest

from tests.browser.loader import faults
from tests.browser.loader.small_site import (
    MODULES,
    PIECE,
    SCRIPT,
    SIZE,
    attempt,
    bytes_asked_for,
    is_sentence,
    name,
    starts,
)


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
    assert 0.2 < halfway["secondsLeft"] < 3  # about 0.5 s: 2 pieces at once, 5 parts of 0.1 s each


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


@pytest.mark.parametrize("address", ["model/other.json", "page.html"])
def test_a_site_without_the_model_says_so(page, address):
    told = attempt(page, f"engine.load({address!r})")
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
    assert attempt(page, "loaded()") == {"value": True}
    assert starts(host, name(3)) == [PIECE // 2]
    assert starts(host, name(1)) == []
    assert bytes_asked_for(host) < SIZE / 2
    assert page.evaluate("tokens()") == expected


def test_a_host_without_ranges_sends_the_piece_again(page, host, expected):
    host.fault(name(3), faults.cut(0.5), faults.without_ranges)
    assert attempt(page, "loaded()") == {"value": True}
    assert page.evaluate("events.at(-1).loaded") == SIZE
    assert page.evaluate("tokens()") == expected


def test_a_full_disk_keeps_nobody_from_the_model(page, host, expected):
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": host.url, "quotaSize": 400_000})
    assert attempt(page, "loaded()") == {"value": False}
    assert is_sentence(page.evaluate("model.note"))
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
    host.requests.clear()
    assert attempt(page, "loaded()") == {"value": True}
    assert bytes_asked_for(host) <= SIZE / 2, "what had arrived was kept"
    assert page.evaluate("tokens()") == expected
    assert page.evaluate("attempt(() => loaded({ signal: AbortSignal.abort() }))")["name"] == (
        "AbortError"
    )


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


def test_sha256_without_the_browser_is_that_of_python(page, host):
    code = """async (sizes) => {
      const { digest } = await import("./browser/sha256.mjs");
      const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
      return sizes.map((size) => hex(digest(Uint8Array.from({ length: size }, (_, i) => i * 7))));
    }"""
    sizes = [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]
    data = [bytes(i * 7 % 256 for i in range(size)) for size in sizes]
    assert page.evaluate(code, sizes) == [hashlib.sha256(part).hexdigest() for part in data]
