"""The student's notebook in JupyterLab, with the tasks undone."""

import os
import subprocess
import sys
from pathlib import Path

from tests.browser.lab import Notebook, jupyterlab, own_folders

BIN = Path(sys.executable).parent


def test_the_fresh_notebook_runs_to_its_first_test(chromium, tmp_path):
    start = [BIN / "tito", "module", "start", "15"]
    subprocess.run(start, cwd=tmp_path, check=True, capture_output=True)
    options = {
        "folder": tmp_path,
        "environment": os.environ | own_folders(tmp_path / "home"),
        "log": tmp_path / "jupyterlab.log",
    }
    with jupyterlab(BIN / "jupyter", **options) as (url, _):
        page = chromium.new_page()
        page.goto(f"{url}lab/tree/modules/15_memoization/module15.ipynb")
        notebook = Notebook(page)
        notebook.wait_for_kernel()
        cells = [c for c in notebook.run_all()["cells"] if c["cell_type"] == "code"]
        page.close()
    names = [cell["metadata"]["nbgrader"]["grade_id"] for cell in cells]
    ran = [cell["execution_count"] is not None for cell in cells]
    first = names.index("test_profile_naive")
    # Later cells may run too: a kernel drops only the requests it has received.
    assert all(ran[: first + 1])
    assert not any(cell["outputs"] for cell in cells[:first])
    (error,) = cells[first]["outputs"]
    assert error["ename"] == "NotImplementedError"
