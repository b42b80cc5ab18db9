import numpy as np
import pytest

from tests.distributed.small import CONFIGS, TOLERANCE
from tinytorch.core import GPT
from tinytorch.distributed import LocalWorkers, enable_sharded_cache
from tinytorch.distributed.weights import MappedArray, locate, share_of_weights, weights_of
from tinytorch.models.layout import split_weights

CONFIG = CONFIGS["llama"]


@pytest.fixture
def mapped_model(tmp_path, make_weights):
    weights = make_weights(CONFIG)
    path = tmp_path / "weights.npy"
    flat = np.concatenate([array.ravel() for array in weights.values()])
    np.save(path, flat)
    flat = np.asarray(np.load(path, mmap_mode="r"))
    return GPT(CONFIG, weights=split_weights(flat, CONFIG)), path


def test_an_array_is_found_in_its_file(mapped_model):
    model, path = mapped_model
    found = set()
    for name, array in weights_of(model, CONFIG).items():
        place = locate(array)
        assert place.path == str(path), name
        found.add(place.order)
        opened = place.open()
        np.testing.assert_array_equal(opened, array)
        assert (opened.strides, opened.flags.writeable) == (array.strides, False)
    assert found == {"C", "F"}


def test_what_lies_in_memory_or_has_gaps_is_found_nowhere(tmp_path):
    np.save(tmp_path / "array.npy", np.ones((4, 6)))
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    assert locate(mapped[2:]) is not None
    assert locate(mapped[:, 1:3]) is None
    assert locate(np.ones(3)) is None


def test_a_share_holds_its_layers_by_place_or_by_number(mapped_model):
    model, _ = mapped_model
    weights = weights_of(model, CONFIG)
    by_place = share_of_weights(weights, slice(1, 3), share_files=True)
    by_number = share_of_weights(weights, slice(1, 3), share_files=False)
    assert {name.split(".")[1] for name in by_place} == {"1", "2"}
    assert by_place.keys() == by_number.keys()
    assert all(isinstance(array, MappedArray) for array in by_place.values())
    assert all(by_number[name] is weights[name] for name in by_number)


@pytest.mark.parametrize("share_files", [True, False])
def test_stages_with_mapped_weights_compute_the_same(mapped_model, make_tokens, share_files):
    model, _ = mapped_model
    tokens = make_tokens(CONFIG, 1, 8)
    expected = model.forward(tokens)
    workers = LocalWorkers(2)
    workers.share_files = share_files
    enable_sharded_cache(model, workers, "layers")
    np.testing.assert_allclose(model.forward(tokens), expected, atol=TOLERANCE)


def test_a_file_that_a_worker_cannot_read_is_named(mapped_model):
    model, path = mapped_model
    path.unlink()
    with pytest.raises(ValueError, match=r"cannot read the weights: .*weights\.npy"):
        enable_sharded_cache(model, LocalWorkers(2), "layers")
