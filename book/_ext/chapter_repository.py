"""The repository's address, and all that depends on it: launch, edit and download buttons.

The address is not written down anywhere. CI names it, or the checkout's remote does; a fork's
website links to the fork. Where neither names a repository on GitHub, the buttons are left out.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).parents[2]
HOST = "https://github.com"
BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"
NOTEBOOKS_BRANCH = "notebooks"
"""Where CI puts the pages as notebooks. Colab reads nothing else."""

REMOTE = re.compile(
    r"(?:https://(?:[^@/]*@)?github\.com/|(?:ssh://)?git@github\.com[:/])"
    r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?"
)


def find_repository(root: Path = ROOT) -> str | None:
    """Return "owner/name" of the repository on GitHub, or None if there is none.

    ``GITHUB_REPOSITORY`` (which GitHub's CI sets) comes first, then the remote ``origin``.
    """
    if os.environ.get("GITHUB_REPOSITORY"):
        on_github = os.environ.get("GITHUB_SERVER_URL", HOST) == HOST
        return os.environ["GITHUB_REPOSITORY"] if on_github else None
    git = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        run = subprocess.run(git, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    match = REMOTE.fullmatch(run.stdout.strip())
    return f"{match['owner']}/{match['name']}" if match else None


def site_url(repository: str | None) -> str:
    """Return ``$SITE_URL``, or the address of the repository's GitHub Pages, or nothing."""
    if os.environ.get("SITE_URL"):
        return os.environ["SITE_URL"].rstrip("/") + "/"
    if repository is None:
        return ""
    owner, name = repository.split("/")
    if name.lower() == f"{owner.lower()}.github.io":
        return f"https://{name.lower()}/"
    return f"https://{owner.lower()}.github.io/{name}/"


def configure(app: Sphinx, config: Config) -> None:
    """Give the theme the addresses that are known."""
    repository = find_repository()
    config.html_baseurl = site_url(repository)
    if repository is None:
        return
    config.html_theme_options |= {
        "repository_url": f"{HOST}/{repository}",
        "repository_branch": os.environ.get("SITE_BRANCH", "main"),
        "path_to_docs": "",
        "use_repository_button": True,
        "use_edit_page_button": True,
        "use_issues_button": True,
        "launch_buttons": {
            "notebook_interface": "jupyterlab",
            "binderhub_url": BINDER,
            "colab_url": COLAB,
        },
    }


def offer_notebook(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Put the executed notebook of a page into the site, for the download button."""
    executed = Path(app.outdir).parent / "jupyter_execute" / f"{pagename}.ipynb"
    if doctree is None or not executed.exists():
        return
    notebook = nbformat.read(executed, as_version=4)
    # A page that myst-nb took from its cache is written without the outputs.
    with suppress(KeyError):
        cache = get_cache(app.config.nb_execution_cache_path)
        _, notebook = cache.merge_match_into_notebook(notebook)
    target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    context["ipynb_source"] = f"{pagename}.ipynb"


def point_colab_at_notebooks(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Replace the address of the Markdown page, which Colab cannot open."""
    branch = app.config.html_theme_options.get("repository_branch")
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                url = button["url"].replace(f"/blob/{branch}/", f"/blob/{NOTEBOOKS_BRANCH}/")
                button["url"] = re.sub(r"\.md$", ".ipynb", url)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before the theme reads its options, and around its header buttons."""
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", offer_notebook, priority=400)
    app.connect("html-page-context", point_colab_at_notebooks, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
