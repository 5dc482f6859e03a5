"""In-process hubs for the API tests.

``hub`` is the embedded default (SQLite and the local disk); ``hub_on_both`` runs a test on PostgreSQL as well,
``shared_hub_on_both`` all tests of a module. ``make_hub`` opens hubs with other settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from openhood.testing.hub import HubUnderTest
from openhood.testing.services import PostgresService

HubMaker = Callable[..., HubUnderTest]


@pytest.fixture
def make_hub() -> Iterator[HubMaker]:
    """A function that opens a hub with the given settings; all are closed after the test."""
    opened: list[HubUnderTest] = []

    def make(**settings: object) -> HubUnderTest:
        opened.append(HubUnderTest(**settings))
        return opened[-1]

    yield make
    for each in reversed(opened):
        each.close()


@pytest.fixture
def hub(make_hub: HubMaker) -> HubUnderTest:
    """A hub of this test's own, on SQLite and the local disk."""
    return make_hub()


@pytest.fixture(params=["sqlite", "postgresql"])
def hub_on_both(request: pytest.FixtureRequest, make_hub: HubMaker) -> HubUnderTest:
    """A hub on SQLite, then one on PostgreSQL."""
    if request.param == "sqlite":
        return make_hub()
    return make_hub(database_url=request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_hub_on_both(request: pytest.FixtureRequest) -> Iterator[HubUnderTest]:
    """A hub for all tests of a module that change nothing of each other's, on SQLite, then on PostgreSQL."""
    if request.param == "sqlite":
        with HubUnderTest() as hub:
            yield hub
        return
    service: PostgresService = request.getfixturevalue("postgres")
    url = service.create_database(template=request.getfixturevalue("postgres_template"))
    with HubUnderTest(database_url=url) as hub:
        yield hub
    service.drop_database(url)
