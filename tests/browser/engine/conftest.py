"""One page for all tests of the engine, and a folder that it can fetch models from."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import tinytorch.browser
from tests.browser.engine import tiny
from tests.browser.server import serve
from tinytorch.models import smollm2_gguf

DRIVER = Path(__file__).parent / "driver.mjs"
HTML = '<!doctype html><script type="module" src="driver.mjs"></script>'


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Path:
    """The folder that the page comes from."""
    folder = tmp_path_factory.mktemp("engine")
    (folder / "engine").symlink_to(Path(tinytorch.browser.__file__).parent)
    (folder / "driver.mjs").symlink_to(DRIVER)
    (folder / "smollm2.gguf").symlink_to(smollm2_gguf())
    (folder / "index.html").write_text(HTML, encoding="utf-8")
    tiny.write_gguf(folder / "small.gguf")
    return folder


@pytest.fixture(scope="session")
def page(chromium: Browser, served: Path) -> Iterator[Page]:
    """A page with the functions of driver.mjs, and `small`, a loaded small model."""
    with serve(served) as url:
        page = chromium.new_page()
        page.goto(url)
        page.wait_for_function("() => window.isReady")
        page.evaluate("async () => { window.small = await load('small.gguf'); }")
        yield page
        page.close()


@pytest.fixture(scope="session")
def smollm2(page: Page) -> Page:
    """The page, with the language model in `smollm2`."""
    page.evaluate("async () => { window.smollm2 = await load('smollm2.gguf'); }")
    return page


def decoded(text: str, width: int) -> np.ndarray:
    """Rows of float32 that driver.mjs has `encoded`."""
    return np.frombuffer(base64.b64decode(text), dtype=np.float32).reshape(-1, width)
