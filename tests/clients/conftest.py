"""One real hub over TCP per test process, and a home of its own for every client that a test starts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.drivers import Client, Hub
from openhood.testing import server
from openhood.testing.venvs import client_python

PASSWORD = "correct horse battery"
GENERATIONS = ("hub-2.4", "hub-1", "hub-0.36", "hub-0.23")

DECLARATION = {
    "users": [
        {"name": "root", "password": PASSWORD, "email": "root@example.org", "admin": True,
         "tokens": [{"name": "admin", "value": "hf_rootWrites", "role": "write"}]},
        {"name": "alice", "password": PASSWORD, "fullname": "Alice A.", "email": "alice@example.org",
         "tokens": [
             {"name": "ci", "value": "hf_aliceWrites", "role": "write"},
             {"name": "looker", "value": "hf_aliceReads", "role": "read"},
             {"name": "narrow", "value": "hf_aliceNarrow", "role": "fineGrained", "scopes": {"scoped": [
                 {"entity": {"type": "model", "name": "alice/narrow"},
                  "permissions": ["repo.content.read", "repo.write"]},
             ]}},
         ]},
        {"name": "bob", "password": PASSWORD, "email": "bob@example.org",
         "tokens": [{"name": "ci", "value": "hf_bobWrites", "role": "write"}]},
        {"name": "reader", "password": PASSWORD,
         "tokens": [{"name": "ci", "value": "hf_readerWrites", "role": "write"}]},
    ],
    "organizations": [
        {"name": "acme", "fullname": "Acme", "members": {"alice": "admin", "bob": "write", "reader": "read"}},
    ],
    "aliases": {"models": {"gpt2": "acme/gpt2-small"}},
}  # fmt: skip

TOKENS = {
    "root": "hf_rootWrites",
    "alice": "hf_aliceWrites",
    "alice-reads": "hf_aliceReads",
    "alice-narrow": "hf_aliceNarrow",
    "bob": "hf_bobWrites",
    "reader": "hf_readerWrites",
}


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """The hub: ``root`` administers it; ``alice`` (admin), ``bob`` (write) and ``reader`` are members of ``acme``."""
    with tempfile.TemporaryDirectory(prefix="openhood-clients-") as directory:
        data_dir = Path(directory)
        server.provision(data_dir, DECLARATION)
        with server.start_server(data_dir) as running:
            # The clients compare the host of answered URLs with their own: people write `localhost`.
            url = running.url.replace("127.0.0.1", "localhost")
            yield Hub(url=url, data_dir=data_dir, tokens=TOKENS, password=PASSWORD, server=running)


ClientMaker = Callable[..., Client]


@pytest.fixture
def make_client(hub: Hub, tmp_path: Path) -> ClientMaker:
    """A function ``(generation, who=None)`` that gives ``who`` a home with that client in it; None is a stranger.

    More arguments are those of `Client`.
    """
    made = 0

    def make(generation: str, who: str | None = None, **more: Any) -> Client:
        nonlocal made
        made += 1
        home = tmp_path / f"{who or 'stranger'}-{made}"
        home.mkdir()
        token = who and hub.tokens[who]
        return Client(python=client_python(generation), home=home, hub=hub, token=token, **more)

    return make


@pytest.fixture(
    params=[GENERATIONS[0], *(pytest.param(each, marks=pytest.mark.clients) for each in GENERATIONS[1:])]
)
def generation(request: pytest.FixtureRequest) -> str:
    """Each generation of huggingface_hub; only the newest runs in the fast suite."""
    return str(request.param)


@pytest.fixture
def alice(make_client: ClientMaker, generation: str) -> Client:
    """Alice with the client of this ``generation``, which speaks Xet if it can."""
    return make_client(generation, "alice")


@pytest.fixture
def alice_without_xet(make_client: ClientMaker, generation: str) -> Client:
    """Alice where she forbade her client to speak Xet."""
    return make_client(generation, "alice", xet=False)
