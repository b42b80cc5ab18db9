"""What the benchmark of the server asks, how it counts, and what it prints."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import serving, serving_report
from benchmarks.http_client import stream_completion
from benchmarks.report import README
from benchmarks.serving_engines import LlamaServer, TinyTorch, TokenTimes, Transformers
from benchmarks.serving_load import load_requests
from benchmarks.serving_workload import mixed_requests, prefix_requests
from tests.serving.servers import MODEL, running_server, small_model, small_text
from tinytorch.generation import generate
from tinytorch.models import load_smollm2


@pytest.fixture(scope="module")
def tokenizer():
    return load_smollm2()[1]


def record(sent, first, last):
    return {"sent": sent, "first": first, "last": last, "tokens": []}


def test_mixed_requests_begin_differently_and_one_of_eight_is_long(tokenizer):
    requests = mixed_requests(tokenizer, 112)
    assert requests[:10] == mixed_requests(tokenizer, 10)
    assert len({tuple(request["prompt"]) for request in requests}) == 112
    assert all(6 <= len(request["prompt"]) <= 24 for request in requests)
    eight = [*4 * [False], True, *3 * [False]]
    assert [request["count"] > 8 for request in requests[:16]] == 2 * eight
    for request in requests:
        assert tokenizer.encode(request["text"]).tolist() == request["prompt"]


def test_questions_stand_behind_the_same_system_prompt(tokenizer):
    requests = prefix_requests(tokenizer, 16)
    assert len({tuple(request["prompt"][:500]) for request in requests}) == 1
    assert len({tuple(request["prompt"]) for request in requests}) == 16
    assert {len(request["prompt"]) for request in requests} == {512}


def test_a_load_repeats_requests_without_long_answers():
    texts = [{"text": "a", "count": 60}, {"text": "b", "count": 5}]
    requests = load_requests(texts, 5)
    assert [request["count"] for request in requests] == [16, 5, 16, 5, 16]
    assert texts[0]["count"] == 60


def summary_of(turns, counts, tokenizer, written=None):
    requests = [{"text": str(i), "prompt": [i], "count": count} for i, count in enumerate(counts)]
    alone = {str(i): [i] * count for i, count in enumerate(counts)}
    for records in turns:
        for one, request in zip(records, requests, strict=False):
            one["tokens"] = (written or alone)[request["text"]]
    found = serving_report.differences(turns, requests, alone, tokenizer)
    return serving_report.summarise_runs(turns, requests, alone, tokenizer), found


def test_rates_and_times_follow_from_the_records(tokenizer):
    turns = [
        [record(10.0, 10.5, 12.5), record(10.5, 11.0, 14.0)],
        [record(0.0, 0.3, 0.7), record(0.0, 0.2, 2.0)],
    ]
    summary, _ = summary_of(turns, [3, 5, 9], tokenizer)  # the third was not asked
    assert summary["tokens_per_s"] == {"median": 3.0, "low": 2.0, "high": 4.0}
    assert summary["first_token_ms"]["p50"] == 400.0  # of 500, 500, 300 and 200
    assert summary["token_ms"]["p50"] == pytest.approx(600)  # of 1000, 750, 200 and 450
    assert (summary["texts"], summary["texts_equal"]) == (4, 4)


def test_an_answer_of_one_token_has_no_time_between_tokens(tokenizer):
    summary, _ = summary_of([[record(0, 1, 1), record(0, 1, 3)]], [1, 2], tokenizer)
    assert summary["token_ms"] == {"p50": 2000.0, "p95": 2000.0}


def test_texts_that_differ_are_counted_and_told_up_to_where_they_do(tokenizer):
    written = {"0": [0, 0, 7], "1": [1, 1]}
    turns = [[record(0, 1, 2), record(0, 1, 3)]]
    summary, found = summary_of(turns, [3, 2], tokenizer, written)
    assert (summary["texts"], summary["texts_equal"]) == (2, 1)
    assert found == [(2, [0, 0, 0])]  # the prompt and two tokens


def test_percentiles_are_of_the_samples():
    assert serving_report.percentiles(range(101)) == {"p50": 50.0, "p95": 95.0}


def test_texts_are_compared_token_by_token_or_by_their_characters(tokenizer):
    expected = tokenizer.encode("The lamp was lit again").tolist()
    other = [*expected[:3], 7, *expected[4:]]
    count = serving_report.same_tokens
    assert count({"tokens": expected}, expected, tokenizer) == len(expected)
    assert count({"tokens": other}, expected, tokenizer) == 3
    assert count({"text": tokenizer.decode(expected)}, expected, tokenizer) == len(expected)
    assert count({"text": tokenizer.decode(other)}, expected, tokenizer) == 3
    assert count({"text": "?"}, expected, tokenizer) == 0


def test_the_margin_is_between_the_two_best_tokens():
    scores = np.array([1.0, 4.0, -2.0, 3.5])
    model = SimpleNamespace(forward=lambda tokens, last_only: np.tile(scores, (1, 1, 1)))
    assert serving_report.margin(model, [1, 2]) == 0.5


def test_each_user_waits_for_an_answer_before_the_next_question(monkeypatch):
    model = small_model()
    monkeypatch.setattr("tinytorch.models.load_smollm2", lambda: (model, None))
    requests = [{"prompt": [1 + i, 2, 3], "count": 2 + 3 * (i % 3)} for i in range(9)]
    for options in ({}, {"policy": "static"}, {"share": True}):
        records = TinyTorch(None, **options).run(requests, num_users=2)
        for request, one in zip(requests, records, strict=True):
            whole = generate(model, request["prompt"], request["count"]).tolist()
            assert one["tokens"] == whole[3:]
            assert one["sent"] <= one["first"] < one["last"]
        for i, one in enumerate(records[2:], 2):  # at most one other is without its answer
            assert sum(other["last"] > one["sent"] for other in records[:i]) <= 1


def test_a_row_of_a_static_batch_ends_at_its_own_count():
    times = TokenTimes(SimpleNamespace(tensor=np.array), [1, 3])
    assert [times(None, None).tolist() for _ in range(3)] == [
        [True, False],
        [True, False],
        [True, True],
    ]
    assert times.times == sorted(times.times)


class PaddedModel:
    """Has the interface of transformers that the benchmark uses; counts up from the last token."""

    def generate(self, ids, attention_mask, max_new_tokens, stopping_criteria, **options):
        assert (np.asarray(attention_mask).sum(axis=1) == (np.asarray(ids) != 0).sum(axis=1)).all()
        (ends,) = stopping_criteria
        for _ in range(max_new_tokens):
            ids = np.concatenate([ids, ids[:, -1:] + 1], axis=1)
            if ends(ids, None).all():
                break
        return ids


def test_static_batches_of_transformers_are_padded_on_the_left_and_cut_behind():
    engine = object.__new__(Transformers)
    engine.torch, engine.model = SimpleNamespace(tensor=np.array), PaddedModel()
    requests = [
        {"prompt": [5, 6], "count": 3},
        {"prompt": [10], "count": 1},
        {"prompt": [20, 21, 22], "count": 2},
    ]
    records = engine.run(requests, num_users=2)
    assert [one["tokens"] for one in records] == [[7, 8, 9], [11], [23, 24]]
    # The user whose answer was ready first asks next, and waits until the batch has ended.
    assert records[2]["sent"] == records[1]["last"] < records[0]["last"] < records[2]["first"]


def test_the_client_times_a_stream():
    with running_server() as server:
        body = {"model": MODEL, "prompt": "Hello", "max_tokens": 12, "temperature": 0}
        answer = stream_completion(server.port, body)
        assert answer["text"] == small_text("Hello", 12, server)
        assert answer["sent"] < answer["first"] < answer["last"]
        with pytest.raises(RuntimeError, match=r"status 404: .*there is no model"):
            stream_completion(server.port, body | {"model": "another"})
        server.engine.failures = 2
        with pytest.raises(RuntimeError, match=r"the server failed: .*no room for the logits"):
            stream_completion(server.port, body)


class OtherServer(BaseHTTPRequestHandler):
    """Streams as llama.cpp's server does, and keeps what it was asked."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.send_response(200)
        self.end_headers()
        for _ in range(body["max_tokens"]):
            event = {"choices": [{"text": "a", "index": 0}]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.mark.parametrize("share", [False, True])
def test_another_server_is_asked_by_as_many_threads_as_users(share):
    requests = [{"prompt": [i], "text": str(i), "count": 2 + i} for i in range(5)]
    engine = object.__new__(LlamaServer)
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as server:
        server.bodies = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        engine.port, engine.share = server.server_port, share
        records = engine.run(requests, num_users=2)
        server.shutdown()
    assert [one["text"] for one in records] == ["a" * request["count"] for request in requests]
    asked = server.bodies[share:]  # where prefixes are shared, the first is asked once before
    assert sorted(body["prompt"] for body in asked) == [[0], [1], [2], [3], [4]]
    assert {body["cache_prompt"] for body in server.bodies} == {share}
    assert all(body["ignore_eos"] and body["temperature"] == 0 for body in asked)


def run_of(rate, first):
    return {
        "tokens_per_s": {"median": rate, "low": rate - 1, "high": rate + 1},
        "first_token_ms": {"p50": first, "p95": 2 * first},
        "token_ms": {"p50": 30.0, "p95": 40.0},
        "texts": 6,
        "texts_equal": 5,
    }


@pytest.fixture
def results():
    mixed = {
        "tinytorch, continuous": 100.0,
        "tinytorch, static": 40.0,
        "transformers, static": 125.0,
    }
    prefix = {"tinytorch, continuous": 600.0, "tinytorch, shared prefixes": 50.0}
    return {
        "machine": {"cores": 2, "processor": "Processor"},
        "date": "2026-01-02",
        "num_threads": 2,
        "versions": {"a": {"numpy": "2"}, "b": {"numpy": "2"}, "c": {"torch": "3"}},
        "mixed": {
            name: {"1": run_of(rate / 4, 90.0), "16": run_of(rate, 900.0)}
            for name, rate in mixed.items()
        },
        "prefix": {name: {"1": run_of(9.0, first)} for name, first in prefix.items()},
        "differing_texts": [
            {"engine": "transformers, static", "users": "16", "tokens": 3, "margin": 0.002},
            {"engine": "transformers, static", "users": "1", "tokens": 5, "margin": 0.0001},
        ],
        "load": {
            "requests": 200,
            "answered": 199,
            "texts_equal": 198,
            "tokens_per_s": 123.4,
            "first_token_ms": {"p50": 4000.0, "p95": 9500.0},
            "idle_mib": 700.0,
            "peak_mib": 1010.0,
            "blocks_mib": 360.0,
        },
        "load_average": {"before": 0.25, "after": 2.0},
    }


def test_goals_are_ratios_of_what_was_measured(results):
    assert list(serving_report.goals(results).values()) == [2.5, 12.0, 0.8]
    table = serving_report.goals_table(results)
    assert [line.split("|")[-2].strip() for line in table.splitlines()[2:]] == ["yes", "yes", "no"]


def test_goals_without_peers_are_those_of_tinytorch_alone(results):
    del results["mixed"]["transformers, static"]
    assert list(serving_report.goals(results).values()) == [2.5, 12.0]


def test_the_report_has_a_row_for_each_engine_and_number_of_users(results):
    written = serving_report.report(results)
    assert written.count("tinytorch, continuous") == 3
    assert "| 16      | tinytorch, static" in written
    assert "100.0 (99.0 to 101.0)" in written
    assert "900, 1,800" in written
    assert "with numpy 2, torch 3. The load average was 0.2 before." in written
    assert "2 texts leave" in written
    assert "at most 0.002 in logits" in written
    assert "199 answered, 198 with the text" in written
    assert "4.0 s (p50) and 9.5 s (p95)" in written


def test_without_differences_all_texts_are_the_same(results):
    results["differing_texts"] = []
    assert serving_report.texts_report(results).startswith("Every text is the one")


def test_the_readme_shows_the_committed_results():
    results = json.loads(serving.RESULTS.read_text(encoding="utf-8"))
    assert results["goals"] == serving_report.goals(results)
    readme = README.read_text(encoding="utf-8")
    expected = serving_report.report(results)
    assert f"{serving_report.BEGIN}\n\n{expected}\n\n{serving_report.END}" in readme
