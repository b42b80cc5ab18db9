"""What the engine reads in a GGUF file, and how it refuses one."""

import gguf
import numpy as np
import pytest

from tests.browser.engine import tiny
from tinytorch.models import smollm2_gguf

PARSE = """async (name) => {
  const { parseGGUF } = await import("./engine/gguf.mjs");
  const response = await fetch(name, { cache: "no-store" });
  const { metadata, tensors } = parseGGUF(new Uint8Array(await response.arrayBuffer()));
  return { metadata: Object.fromEntries(metadata), tensors: [...tensors.values()] };
}"""


@pytest.mark.parametrize("name", ["small.gguf", "smollm2.gguf"])
def test_the_header_is_read_as_by_the_gguf_package(page, served, name):
    read = page.evaluate(PARSE, name)
    reader = gguf.GGUFReader(smollm2_gguf() if name == "smollm2.gguf" else served / name)
    fields = {key: field for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert read["metadata"] == {key: field.contents() for key, field in fields.items()}
    assert read["tensors"] == [
        {
            "name": tensor.name,
            "shape": tensor.shape[::-1].tolist(),
            "type": tensor.tensor_type.name,
            "offset": tensor.data_offset,
            "bytes": tensor.n_bytes,
        }
        for tensor in reader.tensors
    ]


def error_of(page, served, data):
    (served / "fault.gguf").write_bytes(data)
    return page.evaluate("() => errorOf(() => load('fault.gguf'))")


@pytest.fixture
def data(served):
    return (served / "small.gguf").read_bytes()


def test_the_file_itself_has_no_fault(page, served, data):
    assert error_of(page, served, data) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF\x03", b"GGML\x03", 'not a GGUF file: it begins with "GGML", expected "GGUF"'),
        (b"GGUF\x03", b"GGUF\x01", "GGUF version 1: expected 2 or 3"),
        (
            b"context_length\x04\x00",
            b"context_length\x0d\x00",
            "metadata of type 13: expected one from 0 to 12",
        ),
        (b"llama.block_count", b"llama.block_c0unt", "llama.block_count is undefined: expected"),
        (b"\x00smollm", b"\x00smollN", "tokenizer.ggml.pre is smollN: expected smollm"),
        (b"blk.1.ffn_up", b"blk.1.ffn_op", "the file has no tensor blk.1.ffn_up.weight"),
    ],
)
def test_a_wrong_header_is_told(page, served, data, old, new, message):
    assert data.count(old) == 1
    assert error_of(page, served, data.replace(old, new)).startswith(message)


@pytest.mark.parametrize("length", [0, 3, 7, 20, 100, 500, 1500])
def test_a_header_that_is_cut_off_is_told(page, served, data, length):
    error = error_of(page, served, data[:length])
    assert error.startswith(f"the GGUF file ends after {length} bytes, inside its header: expected")


def test_bytes_outside_the_file_are_refused(page):
    error = page.evaluate("() => errorOf(() => small.engine.weightsAt(10, small.engine.fileBytes))")
    assert error.startswith("bytes 10 to ")


def test_tensors_that_are_cut_off_are_told(page, served, data):
    error = error_of(page, served, data[:-100])
    assert error == (
        f"the GGUF file ends after {len(data) - 100} bytes: expected output_norm.weight "
        f"up to byte {len(data)}"
    )


def written(served, **options):
    tiny.write_gguf(served / "written.gguf", **options)
    return (served / "written.gguf").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "gpt2"}, "architecture gpt2: expected llama"),
        ({"types": ("Q4_0",)}, "token_embd.weight is of type Q4_0: expected F32, Q4_1, Q8_0"),
        ({"types": ("F16",)}, "token_embd.weight is of type F16: expected F32, Q4_1, Q8_0"),
        ({"without": "blk.0.attn_k"}, "the file has no tensor blk.0.attn_k.weight"),
        (
            {"more": {"blk.0.attn_q.bias": np.zeros(96, np.float32)}},
            "blk.0.attn_q.bias is no part of a model that this engine can run",
        ),
        (
            {"more": {"output.weight": np.zeros((32, 64), np.float32)}},
            "the shape of output.weight is 32 x 64: expected 31 x 64",
        ),
    ],
)
def test_another_model_is_refused_by_name(page, served, options, message):
    assert error_of(page, served, written(served, **options)) == message


def test_a_model_with_a_head_of_its_own_runs(page, served):
    head = np.zeros((31, 64), np.float32)
    head[7] = 1
    (served / "head.gguf").write_bytes(written(served, more={"output.weight": head}))
    logits = page.evaluate("async () => Array.from((await load('head.gguf')).model.forward([5]))")
    assert np.flatnonzero(logits).tolist() == [7]
