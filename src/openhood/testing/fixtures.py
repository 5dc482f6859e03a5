"""Pytest fixtures over `services`: ``postgres`` and ``swift`` per session, databases and buckets per test.

Use them with ``pytest_plugins = ["openhood.testing.fixtures"]`` in ``tests/conftest.py`` or in a test module.
Each pytest-xdist worker that asks for a service starts its own; nothing starts before the first test that asks.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhood.testing.databases import migrate
from openhood.testing.services import PostgresService, S3Service, start_postgres, start_swift


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresService]:
    """A PostgreSQL server for this test process."""
    # Not pytest's own directories: the server's user cannot enter them.
    directory = Path(tempfile.mkdtemp(prefix="openhood-postgres-"))
    try:
        service = start_postgres(directory)
        yield service
        service.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresService) -> str:
    """The URL of a database of the newest schema without a row, to copy and not to connect to."""
    url = postgres.create_database()
    migrate(url)
    return url


@pytest.fixture
def postgres_url(postgres: PostgresService, postgres_template: str) -> Iterator[str]:
    """The SQLAlchemy URL of a database of this test's own: of the newest schema, without a row."""
    url = postgres.create_database(template=postgres_template)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def empty_postgres_url(postgres: PostgresService) -> Iterator[str]:
    """The SQLAlchemy URL of a database of this test's own that no hub ever saw."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def swift() -> Iterator[S3Service]:
    """An S3 server (OpenStack Swift) for this test process."""
    directory = Path(tempfile.mkdtemp(prefix="openhood-swift-"))
    try:
        service = start_swift(directory)
        yield service
        service.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def s3_url(swift: S3Service) -> str:
    """The ``OPENHOOD_OBJECTS_URL`` of an empty bucket of this test's own."""
    return swift.make_bucket()
