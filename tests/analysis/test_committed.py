import json
from pathlib import Path

import pytest

from tinytorch.analysis import committed, committed_results

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*results.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_returns_what_the_file_holds(file):
    assert committed_results(file.name) == json.loads(file.read_bytes())


def test_without_a_clone_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(committed, "BENCHMARKS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"results\.json is part of the repository: run"):
        committed_results("results.json")
