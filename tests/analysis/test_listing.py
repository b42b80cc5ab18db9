"""A listing lights what differs, and nothing else."""

import pytest
from bs4 import BeautifulSoup

import tinytorch as tt
from tinytorch.analysis.listing import CodeDiff


def plain(self, x: int, y: int = 2) -> int:
    """Add."""
    total = x + y  # why not
    return self.scale(total)


def doubled(x: int, y: int = 2) -> int:
    total = x + y
    total = 2 * total
    return thing.scale(total)  # noqa: F821


EXPECTED = """\
  def plain(x, y=2):
      total = x + y
+     total = 2 * total
      return self.scale(total)"""


def test_what_is_added_is_marked_and_the_rest_is_plain_code():
    diff = CodeDiff(plain, doubled, {"thing": "self", "doubled": "plain"})
    assert repr(diff) == EXPECTED


def test_the_page_shows_the_same_lines_and_lights_one():
    diff = CodeDiff(plain, doubled, {"thing": "self", "doubled": "plain"})
    soup = BeautifulSoup(diff._repr_html_(), "html.parser")
    assert soup.pre.get_text().rstrip() == EXPECTED
    (added,) = soup.select(".tt-added")
    assert added.get_text() == "+     total = 2 * total\n"
    assert soup.select(".tt-same .k")[0].get_text() == "def"


def test_the_cache_adds_one_line_to_attention(make_model, config):
    model = make_model(config)
    attention = model.blocks[0].attention
    before = attention.forward
    with tt.use_kv_cache(
        model, tt.KVCache(1, 8, len(model.blocks), config.num_kv_heads, config.head_dim)
    ):
        diff = CodeDiff(before, attention.forward, {"attention": "self"})
    marked = [line for line in diff.lines if line[0] != " "]
    assert marked == [("+", "    key, value = cache.update(layer_idx, key, value)")]


def test_a_function_without_source_is_an_error():
    with pytest.raises((OSError, TypeError)):
        CodeDiff(len, len)
