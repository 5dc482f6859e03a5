"""Runs in the browser are a suite of their own: marked, and left alone where its packages are not installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("playwright") is not None and find_spec("axe_playwright_python") is not None:
    from browser.fixtures import chromium, fresh, hub, kinds, workshop  # noqa: F401 - pytest finds fixtures by these names
else:
    collect_ignore_glob = ["test_*.py"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, before tests are chosen by marker."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))
