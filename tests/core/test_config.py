import dataclasses
import re

import pytest

from tinytorch.core import ModelConfig

SIZES = {"vocab_size": 50, "embed_dim": 32, "num_layers": 2, "num_heads": 4}
REQUIRED_INTEGERS = ["vocab_size", "embed_dim", "num_layers", "num_heads", "max_seq_len"]
OPTIONAL_INTEGERS = ["num_kv_heads", "head_dim", "mlp_dim"]


def make(**changes):
    return ModelConfig(**SIZES | changes)


def test_defaults_give_the_gpt2_style():
    config = make()
    assert dataclasses.asdict(config) == {
        "vocab_size": 50,
        "embed_dim": 32,
        "num_layers": 2,
        "num_heads": 4,
        "num_kv_heads": 4,
        "head_dim": 8,
        "mlp_dim": 128,
        "max_seq_len": 1024,
        "norm": "layernorm",
        "norm_eps": 1e-5,
        "positions": "learned",
        "rope_theta": 10_000.0,
        "mlp": "gelu",
        "bias": True,
        "tied_embeddings": True,
    }


def test_given_sizes_are_kept():
    config = make(num_kv_heads=2, head_dim=10, mlp_dim=7)
    assert (config.num_kv_heads, config.head_dim, config.mlp_dim) == (2, 10, 7)


@pytest.mark.parametrize("value", [0, -1, 1.5, 4.0, True, "8"], ids=repr)
@pytest.mark.parametrize("name", REQUIRED_INTEGERS + OPTIONAL_INTEGERS)
def test_sizes_must_be_positive_integers(name, value):
    with pytest.raises(ValueError, match=rf"^{name}={value!r} must be an integer of at least 1$"):
        make(**{name: value})


@pytest.mark.parametrize("name", REQUIRED_INTEGERS)
def test_required_sizes_may_not_be_none(name):
    with pytest.raises(ValueError, match=f"^{name}=None must be an integer of at least 1$"):
        make(**{name: None})


@pytest.mark.parametrize("name", sorted(SIZES))
def test_sizes_without_a_default_must_be_given(name):
    with pytest.raises(TypeError, match=name):
        ModelConfig(**{key: size for key, size in SIZES.items() if key != name})


def test_parameters_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        ModelConfig(50, 32, 2, 4)


def test_indivisible_embed_dim_names_both_sizes_and_the_way_out():
    with pytest.raises(
        ValueError, match=r"^embed_dim=32 is not a multiple of num_heads=5; give head_dim"
    ):
        make(num_heads=5)


def test_indivisible_embed_dim_is_accepted_with_a_head_dim():
    assert make(num_heads=5, head_dim=6).head_dim == 6


def test_more_heads_than_embedding_dimensions_are_accepted_with_a_head_dim():
    assert make(embed_dim=2, num_heads=4, head_dim=3).head_dim == 3


@pytest.mark.parametrize("num_kv_heads", [3, 8])
def test_query_heads_must_divide_into_equal_groups(num_kv_heads):
    with pytest.raises(
        ValueError, match=rf"^num_heads=4 must be a multiple of num_kv_heads={num_kv_heads}: "
    ):
        make(num_kv_heads=num_kv_heads)


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_every_divisor_is_a_number_of_kv_heads(num_kv_heads):
    assert make(num_kv_heads=num_kv_heads).num_kv_heads == num_kv_heads


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("norm", ("layernorm", "rmsnorm")),
        ("positions", ("learned", "rope")),
        ("mlp", ("gelu", "swiglu")),
    ],
)
def test_choices_are_listed_when_another_is_given(name, choices):
    for choice in choices:
        assert getattr(make(**{name: choice}), name) == choice
    message = f"{name}='other' must be one of {choices}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make(**{name: "other"})


def test_rotary_heads_must_be_even():
    with pytest.raises(ValueError, match=r"^head_dim=7 must be even for rotary positions$"):
        make(head_dim=7, positions="rope")
    assert make(head_dim=7, positions="learned").head_dim == 7


@pytest.mark.parametrize("value", [0, 0.0, -1e-5, float("nan"), float("inf"), "1e-5"], ids=repr)
@pytest.mark.parametrize("name", ["norm_eps", "rope_theta"])
def test_norm_eps_and_rope_theta_must_be_positive(name, value):
    message = rf"^{name}={value!r} must be a finite number greater than 0$"
    with pytest.raises(ValueError, match=message):
        make(**{name: value})


@pytest.mark.parametrize("value", [0, 1, None, "yes"], ids=repr)
@pytest.mark.parametrize("name", ["bias", "tied_embeddings"])
def test_switches_must_be_true_or_false(name, value):
    with pytest.raises(ValueError, match=rf"^{name}={value!r} must be True or False$"):
        make(**{name: value})


def test_config_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().embed_dim = 64


def test_equal_configs_are_interchangeable_as_keys():
    assert {make(): "found"}[make(num_kv_heads=4, head_dim=8, mlp_dim=128)] == "found"
    assert make() != make(bias=False)


def test_replace_validates_again():
    assert dataclasses.replace(make(), num_kv_heads=1).num_kv_heads == 1
    with pytest.raises(ValueError, match="num_kv_heads=3"):
        dataclasses.replace(make(), num_kv_heads=3)


def test_str_is_a_table_of_every_field():
    config = make(positions="rope", rope_theta=500_000.0)
    rows = dict(line.split() for line in str(config).splitlines())
    assert rows == {name: str(value) for name, value in dataclasses.asdict(config).items()}
