"""Frames: what is plain comes back, and nothing else is read."""

import io
import json
import pickle
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from coursework.frames import LENGTH, MOST_BYTES, FrameError, pack, unpack

ARRAYS = some.arrays(
    st.sampled_from([np.bool_, np.uint8, np.int64, np.float32, np.float64, np.dtype(">i4")]),
    some.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | ARRAYS
NAMES = st.text(min_size=1).filter(lambda name: name != "array")
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=8
)


def body_of(frame: bytes) -> bytes:
    assert LENGTH.unpack(frame[: LENGTH.size]) == (len(frame) - LENGTH.size,)
    return frame[LENGTH.size :]


def same(found, expected) -> bool:
    if isinstance(expected, np.ndarray):
        return (
            type(found) is np.ndarray
            and (found.shape, found.dtype) == (expected.shape, expected.dtype)
            and np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[k], expected[k]) for k in found)
    return type(found) is type(expected) and found == expected


def depth(value) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, parts), default=0)


@given(VALUES.filter(lambda value: depth(value) < 7))
def test_plain_data_comes_back(value):
    assert same(unpack(body_of(pack(value))), value)


@given(VALUES.filter(lambda value: depth(value) < 7), st.data())
def test_damage_is_an_error_of_its_own_or_none(value, data):
    body = bytearray(body_of(pack(value)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(FrameError):
        unpack(bytes(body[: data.draw(st.integers(0, len(body)))]))


class Equal(float):
    """Equal to everything."""

    def __eq__(self, other):
        return True

    __hash__ = None


OTHER = [
    object(),
    Equal(),
    np.ma.zeros(2),
    np.array([None]),
    np.zeros(2, "M8[s]"),
    {1: 2},
    {1},
    1j,
    len,
]


@pytest.mark.parametrize("value", OTHER, ids=[type(value).__name__ for value in OTHER])
def test_other_types_are_not_sent(value):
    with pytest.raises(FrameError, match="is neither"):
        pack([value])


def test_too_much_is_not_sent():
    with pytest.raises(FrameError, match="67,108,864 bytes"):
        pack(np.broadcast_to(np.uint8(1), MOST_BYTES + 1))
    nested = []
    for _ in range(20):
        nested = [nested]
    with pytest.raises(FrameError, match="deep"):
        pack(nested)


def archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", compression) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return body.getvalue()


def array_bytes(array: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def tree_bytes(tree: object) -> bytes:
    return array_bytes(np.frombuffer(json.dumps(tree).encode(), np.uint8))


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def pickled() -> bytes:
    return array_bytes(np.zeros(1)).split(b"\n")[0] + b"\n" + pickle.dumps([Bomb()])


def claiming(text: bytes) -> bytes:
    """Return the bytes of an array whose header says something else."""
    return array_bytes(np.zeros(3, np.uint8)).replace(b"(3,)", text)


HOSTILE = {
    "no archive": b"hello",
    "empty": b"",
    "no tree": archive({"array0.npy": array_bytes(np.zeros(1))}),
    "pickle": archive({"tree.npy": array_bytes(np.array([Bomb()]), allow_pickle=True)}),
    "pickle behind numbers": archive({"tree.npy": pickled()}),
    "compressed": archive({"tree.npy": tree_bytes(" " * 10**6)}, zipfile.ZIP_DEFLATED),
    "another name": archive({"tree.npy": tree_bytes(1), "../x.npy": tree_bytes(1)}),
    "a terabyte": archive({"tree.npy": claiming(b"(1099511627776,)")}),
    "a size below 0": archive({"tree.npy": claiming(b"(-3,)")}),
    "a size that is none": archive({"tree.npy": claiming(b"(3.0,)")}),
    "code as a size": archive({"tree.npy": claiming(b"(print(3),)")}),
    "array that is not there": archive({"tree.npy": tree_bytes({"array": 7})}),
    "no JSON": archive({"tree.npy": array_bytes(np.zeros(9, np.uint8))}),
    "deep JSON": archive(
        {"tree.npy": array_bytes(np.frombuffer(b"[" * 10**5 + b"]" * 10**5, np.uint8))}
    ),
    "texts": archive({"tree.npy": tree_bytes(1), "array0.npy": array_bytes(np.array(["a"]))}),
    "too many": archive({"tree.npy": tree_bytes(1)} | {f"array{i}.npy": b"" for i in range(1001)}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_frames_are_refused(name):
    with pytest.raises(FrameError):
        unpack(HOSTILE[name])
