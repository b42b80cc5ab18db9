"""The README shows what was measured, and the benchmark's helpers compute what they say."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import report  # noqa: E402
from benchmarks.peers import time_feeds  # noqa: E402
from benchmarks.run import summarise  # noqa: E402


@pytest.fixture(scope="module")
def results():
    return json.loads(report.RESULTS.read_text(encoding="utf-8"))


def test_the_readme_shows_the_committed_results(results):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.report(results) in readme


def test_the_readme_is_updated_between_its_markers_only(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"# Before\n{report.BEGIN}\nold\n{report.END}\n## After\n")
    for _ in range(2):
        report.update_readme(results, readme)
        text = readme.read_text(encoding="utf-8")
        assert text.startswith(f"# Before\n{report.BEGIN}\n")
        assert text.endswith(f"\n{report.END}\n## After\n")
        assert text.count(report.report(results)) == 1
        assert "old" not in text


@pytest.mark.parametrize("text", ["", report.BEGIN, report.END, report.END + report.BEGIN])
def test_a_readme_without_markers_is_left_alone(results, tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ValueError, match="must hold"):
        report.update_readme(results, readme)
    assert readme.read_text() == text


def test_ratios_and_bandwidth_follow_from_the_medians(results):
    table = report.peers_table(results)
    ours = results["decode_ms"]["tinytorch"]["64"]["median"]
    theirs = results["decode_ms"]["llama.cpp"]["64"]["median"]
    row = next(line for line in table.splitlines() if "after 64" in line and "llama" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2] == f"{theirs:.1f}"
    assert float(cells[4]) == pytest.approx(theirs / ours, abs=0.005)
    bytes_read = 4 * 134_515_008 + 4 * 576 + 46_080 * (64 + results["num_decoded"] // 2)
    share = bytes_read / (theirs / 1e3) / (results["memory_bandwidth_gb_per_s"] * 1e9)
    assert cells[5] == f"{share:.0%}"


def test_summaries_are_quartiles():
    assert summarise([5, 1, 2, 3, 4]) == {"median": 3, "low": 2, "high": 4}


def test_every_step_feeds_the_token_chosen_before():
    class Counting:
        def __init__(self):
            self.fed = []

        def reset(self):
            self.fed.clear()

        def feed(self, tokens):
            self.fed.append(tokens.tolist())
            return np.eye(100)[len(self.fed)]

    peer = Counting()
    answer = time_feeds(peer, prompt_length=7, num_decoded=3)
    assert [len(tokens) for tokens in peer.fed] == [7, 1, 1, 1]
    assert [tokens[0] for tokens in peer.fed[1:]] == [1, 2, 3]
    assert answer["tokens"] == [1, 2, 3, 4]
    assert len(answer["decode_ms"]) == 3
