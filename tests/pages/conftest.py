"""In-process hubs for the tests of pages, as the API's have them."""

from __future__ import annotations

from api.conftest import hub, make_hub

__all__ = ["hub", "make_hub"]
