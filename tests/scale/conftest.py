"""Two hubs on PostgreSQL and S3, started once per test module that asks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhood.testing.services import PostgresService, S3Service
from scale.pair import Pair


@pytest.fixture(scope="module")
def pair(postgres: PostgresService, swift: S3Service) -> Iterator[Pair]:
    """The two hubs, with alice in them."""
    database_url = postgres.create_database()
    with tempfile.TemporaryDirectory(prefix="openhood-pair-") as directory:
        made = Pair(Path(directory), database_url=database_url, objects_url=swift.make_bucket())
        try:
            yield made
        finally:
            made.close()
            postgres.drop_database(database_url)
