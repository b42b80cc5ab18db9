"""Build what mybinder.org builds from ``.binder/``, in a folder instead of a container."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.browser.lab import own_folders

ROOT = Path(__file__).parents[2]
EVERY_IMAGE = (
    "ipywidgets==8.*",
    "jupyter-resource-usage==1.*",
    "jupyter_server==2.*",
    "jupyterhub==5.*",
    "jupyterlab==4.*",
    "notebook==7.*",
)
"""What repo2docker 2026.4 installs beside Python, before a project's own files."""


class Image:
    """A copy of the repository and an environment for it, below one folder.

    Attributes
    ----------
    repository : Path
        The files that git knows or would add.
    prefix : Path
        A virtual environment: repo2docker's ``NB_PYTHON_PREFIX``.
    environment : dict of str to str
        Variables for what runs in it. No setting of the user is seen there.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.repository = folder / "repository"
        self.prefix = folder / "environment"
        own = {
            "PATH": f"{self.prefix / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "NB_PYTHON_PREFIX": str(self.prefix),
            "TINYTORCH_CACHE": str(folder / "model"),
        }
        self.environment = os.environ | own | own_folders(folder / "home")

    def build(self) -> None:
        """Take repo2docker's steps, in its order."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.copy_repository()
        self.run(sys.executable, "-m", "venv", str(self.prefix))
        self.run("pip", "install", "--quiet", *EVERY_IMAGE)
        self.run("pip", "install", "--quiet", "-r", ".binder/requirements.txt")
        self.run("./.binder/postBuild")
        self.run("pip", "check")

    def copy_repository(self) -> None:
        """Copy the files that a push of the working tree would hold."""
        git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(git, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                target = self.repository / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target)

    def run(self, *command: str) -> None:
        """Run a command in the repository, as in the image; stop if it fails."""
        print("$", *command, flush=True)
        program = shutil.which(command[0], path=self.environment["PATH"]) or command[0]
        subprocess.run(
            [program, *command[1:]], cwd=self.repository, env=self.environment, check=True
        )
