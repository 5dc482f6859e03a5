"""No account may take a name that is an address of the hub's own."""

from __future__ import annotations

from openhood.base.names import RESERVED_ACCOUNT_NAMES
from openhood.http.routes import ROUTES


def test_first_segments_of_routes_are_no_account_names() -> None:
    firsts = {route.template.split("/")[1] for route in ROUTES}
    words = {first.partition(".")[0] for first in firsts if first and not first.startswith("{")}
    assert words - {"", "-"} <= RESERVED_ACCOUNT_NAMES
