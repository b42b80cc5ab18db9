"""The repository's address comes from CI or from git, and every button follows it."""

import subprocess

import pytest
from chapter_repository import find_repository, site_url

from tests.book.conftest import SmallBook, require_executed_notebook


@pytest.fixture
def no_ci(monkeypatch):
    for name in ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "SITE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("https://github.com/someone/fork.git", "someone/fork"),
        ("https://github.com/someone/fork", "someone/fork"),
        ("https://user:secret@github.com/someone/fork.git", "someone/fork"),
        ("git@github.com:someone/my.fork.git", "someone/my.fork"),
        ("ssh://git@github.com/someone/fork.git", "someone/fork"),
        ("https://example.org/someone/fork.git", None),
        ("/some/folder", None),
        ("https://github.com.example.org/someone/fork", None),
    ],
)
def test_the_remote_names_the_repository(no_ci, tmp_path, remote, repository):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", remote], check=True)
    assert find_repository(tmp_path) == repository


def test_a_folder_without_git_has_no_repository(no_ci, tmp_path):
    assert find_repository(tmp_path) is None


def test_ci_comes_before_the_remote(no_ci, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    assert find_repository(tmp_path) == "someone/fork"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.org")
    assert find_repository(tmp_path) is None


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("Someone/Fork", "https://someone.github.io/Fork/"),
        ("someone/someone.github.io", "https://someone.github.io/"),
        (None, ""),
    ],
)
def test_the_site_lies_at_github_pages(no_ci, repository, url):
    assert site_url(repository) == url


def test_the_site_may_lie_elsewhere(no_ci, monkeypatch):
    monkeypatch.setenv("SITE_URL", "https://example.org/book")
    assert site_url("someone/fork") == "https://example.org/book/"


def test_buttons_follow_the_repository(small_book: SmallBook):
    assert small_book.build(GITHUB_REPOSITORY="someone/fork").returncode == 0
    html = small_book.html("second")
    for url in (
        "https://mybinder.org/v2/gh/someone/fork/main?urlpath=lab/tree/book/second.md",
        "https://colab.research.google.com/github/someone/fork/blob/notebooks/book/second.ipynb",
        "https://github.com/someone/fork/edit/main/book/second.md",
        "https://github.com/someone/fork/issues/new",
    ):
        assert url in html
    assert '<link rel="canonical" href="https://someone.github.io/fork/book/second.html"' in html
    assert 'property="og:image" content="https://someone.github.io/fork/' in html
    sitemap = (small_book.folder / "_build/html/sitemap.xml").read_text()
    assert "https://someone.github.io/fork/book/second.html" in sitemap


def test_without_a_repository_no_button_is_broken(built_book: SmallBook):
    html = built_book.html("second")
    for part in ("mybinder", "colab", "github.com/", "canonical", "og:url"):
        assert part not in html
    assert "_sources/book/second.md" in html
    assert not (built_book.folder / "_build/html/sitemap.xml").exists()


def test_the_executed_notebook_can_be_downloaded(built_book: SmallBook):
    require_executed_notebook(built_book)
