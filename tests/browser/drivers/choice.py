"""Which tests run in which browsers.

A test that takes the fixture `browser` is one for three browsers. By default it runs in Chromium,
and where it is marked `everywhere`, in Firefox and WebKit too; `--browsers=all` runs every one in
all three. A test marked `only` is skipped elsewhere, with the reason why.
"""

import pytest

NAMES = ("chromium", "firefox", "webkit")
USUAL = "usual"
HELP = f"all, {USUAL} (all in Chromium, those marked `everywhere` in all), or names with commas"


def chosen(option: str) -> tuple[str, ...]:
    """Return the names of the browsers that ``--browsers`` asks for."""
    if option in (USUAL, "all"):
        return NAMES
    names = tuple(option.split(","))
    if unknown := set(names) - set(NAMES):
        raise pytest.UsageError(f"--browsers: {', '.join(sorted(unknown))}; expected {HELP}")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each browser."""
    if "browser" in metafunc.fixturenames:
        names = chosen(metafunc.config.getoption("--browsers"))
        metafunc.parametrize("browser", names, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs in another browser: visibly, where a browser cannot do it."""
    is_usual = config.getoption("--browsers") == USUAL
    left = []
    for item in items:
        name = browser_of(item)
        if is_usual and name in NAMES[1:] and not item.get_closest_marker("everywhere"):
            continue
        for marker in item.iter_markers("only"):
            if name and name not in marker.args:
                reason = f"only {' and '.join(marker.args)}: {marker.kwargs['reason']}"
                item.add_marker(pytest.mark.skip(reason=reason))
        left.append(item)
    items[:] = left


def browser_of(item: pytest.Item) -> str | None:
    """Return which browser a test takes, if it takes any."""
    call = getattr(item, "callspec", None)
    return call.params.get("browser") if call else None
