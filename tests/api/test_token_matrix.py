"""Tokens against every route: wrong ones open nothing, and those that may only read change nothing."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Column, Table, select

from api.everywhere import Ask, asks, fill_repo
from api.route_needs import BODIES
from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.http.routes import ROUTES
from openhood.infra.db.schema import metadata
from openhood.testing.hub import HubUnderTest

KINDS = ("models", "datasets", "spaces")
SENTENCE = "Invalid credentials in Authorization header"
# Who asks makes no difference there: a link is the permission, or there is nothing to permit.
FOR_ANYBODY = (
    "/objects/lfs/",
    "/health",
    "/ready",
    "/metrics",
    "/static/",
    "/avatars/",
    "/.well-known/",
    "/oauth/device",
    "/oauth/jwks",
    "/oauth/revoke",
    "/oauth/token",
    "/sso/",
    "/api/telemetry/",
    "/api/agent-harnesses",
    "/api/spaces/templates",
    "/api/credentials/revoke",
    "/api/validate-yaml",
    "/logout",
    "/-/",
    "/login/code",
    "/openapi.json",
    "/uploads/",
    "/robots.txt",
    "/sitemap",
    "/mail/",
    # The token of a transfer is the permission there; `test_xet_*` try wrong ones.
    "/cas/",
    "/v1/telemetry",
)
# What changes by itself: the time, what was counted, who signed in, what waits to be done.
VOLATILE = {"jobs", "audit_events", "sessions", "device_grants", "refresh_tokens", "oauth_clients"}


Tips = dict[str, str]


@pytest.fixture
def hub() -> Iterator[HubUnderTest]:
    """An empty hub of this test's own."""
    with HubUnderTest() as made:
        yield made


@pytest.fixture
def tips(hub: HubUnderTest) -> Tips:
    """Tips of alice's public model, dataset and space ``open``; acme is hers, and a model ``own``."""
    alice = hub.client(hub.add_user("alice", password="a long password"))
    hub.add_org("acme", members={"alice": "admin"})
    assert alice.post("/api/repos/create", json={"name": "own", "type": "model"}).status_code == 200
    return {f"{kind}s": fill_repo(alice, "alice", "open", kind) for kind in ("model", "dataset", "space")}


def _all(tips: Tips, name: str = "open") -> Iterator[Ask]:
    return asks(ns="alice", name=name, kinds=KINDS, viewer="alice", below_repo=False, tips=tips)


def _with_right_body(ask: Ask) -> Iterator[Ask]:
    """Yield the same request with the body that its handler wants, where there is one to its liking."""
    for route in ROUTES:
        if route.template == ask.template and ask.method in route.methods:
            module = route.handler.__module__.removeprefix("openhood.http.")
            body = BODIES.get(f"{module}.{route.handler.__qualname__}")
            if isinstance(body, dict | list):
                yield replace(
                    ask, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
                )


def _send(client: httpx.Client, ask: Ask) -> httpx.Response:
    return client.request(ask.method, ask.url + ask.query, content=ask.content, headers=ask.headers)


def _bad_tokens(hub: HubUnderTest) -> dict[str, str]:
    """Headers by what is wrong with them."""
    alice = hub.client(hub.add_token("alice"))
    revoked = alice.post("/api/settings/tokens", json={"displayName": "revoked", "role": "write"}).json()
    assert alice.delete(f"/api/settings/tokens/{revoked['_id']}").status_code == 204
    _info, expired = accounts.create_token(
        hub.sv,
        SYSTEM,
        user="alice",
        display_name="expired",
        role="write",
        expires_at=hub.clock.now() + timedelta(hours=1),
    )
    hub.clock.advance(7200)
    basic = base64.b64encode(f"alice:{expired}".encode()).decode()
    return {
        "garbage": "Bearer hf_garbage",
        "revoked": f"Bearer {revoked['token']}",
        "expired": f"Bearer {expired}",
        "expired, as git sends it": f"Basic {basic}",
    }


def test_wrong_tokens_open_no_door(hub: HubUnderTest, tips: Tips) -> None:
    for why, header in _bad_tokens(hub).items():
        client = hub.client(headers={"Authorization": header})
        refused: dict[tuple[str, str], bool] = {}
        for ask in _all(tips):
            if ask.template.startswith(FOR_ANYBODY):
                continue
            place = (ask.method, ask.template)
            for each in (ask, *_with_right_body(ask)):
                answer = _send(client, each)
                assert answer.status_code >= 400, (why, str(each), answer.status_code)
                is_refused = answer.status_code == 401 and answer.headers["x-error-message"] == SENTENCE
                # What is not built says so to everybody. A body that makes no sense may be refused first.
                refused[place] = refused.get(place, False) or is_refused or answer.status_code == 501
        open_ones = [place for place, was_refused in refused.items() if not was_refused]
        assert not open_ones, (why, open_ones)
        assert len(refused) > 250


class Watch:
    """Sees everything that requests can change: the rows, read anew where anybody committed, and the stored objects."""

    def __init__(self, hub: HubUnderTest) -> None:
        self._hub = hub
        self._beside = sqlite3.connect(hub.data_dir / "openhood.db")
        self._version: int | None = None
        self._rows: dict[str, list[str]] = {}

    def state(self) -> tuple[dict[str, list[str]], list[tuple[str, int]]]:
        """Return it all, to be compared."""
        # SQLite's own count of what other connections committed.
        (version,) = self._beside.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version, self._rows = version, self._read()
        return self._rows, sorted((each.key, each.size_bytes) for each in self._hub.sv.objects.list(""))

    def close(self) -> None:
        """Let go of the database."""
        self._beside.close()

    def _read(self) -> dict[str, list[str]]:
        with self._hub.sv.db.read() as tx:
            return {
                table.name: sorted(map(repr, tx.execute(select(*_lasting(table))).all()))
                for table in metadata.sorted_tables
                if table.name not in VOLATILE
            }


@pytest.fixture
def watch(hub: HubUnderTest) -> Iterator[Watch]:
    """A watch on the hub of this test."""
    made = Watch(hub)
    yield made
    made.close()


def _lasting(table: Table) -> list[Column[Any]]:
    return [
        column
        for column in table.columns
        if column.name not in ("last_used_at", "downloads", "downloads_all_time")
    ]


def test_a_token_that_may_read_changes_nothing(hub: HubUnderTest, tips: Tips, watch: Watch) -> None:
    client = hub.client(hub.add_token("alice", role="read", name="reads"))
    before = watch.state()
    for ask in _all(tips):
        if ask.method in ("GET", "HEAD") or ask.template.startswith(("/api/credentials/revoke", "/oauth/")):
            continue
        answer = _send(client, ask)
        assert answer.status_code < 500 or answer.status_code == 501, (str(ask), answer.text)
        assert watch.state() == before, f"{ask}: {answer.status_code}"


def test_the_same_requests_change_things_with_a_token_that_may_write(
    hub: HubUnderTest, tips: Tips, watch: Watch
) -> None:
    """Else the test above would send nothing that could change anything."""
    client = hub.client(hub.add_token("alice", role="write", name="writes"))
    changed = set()
    # History is rewritten late; moving the repositories away comes last, and then deleting them where they are.
    ends = ("/api/repos/move", "/api/repos/delete")
    wanted = [ask for ask in _all(tips) if ask.template not in ends]
    wanted.sort(key=lambda ask: ask.template.endswith(("/lfs-files/batch", "/super-squash/{rev:path}")))
    wanted += [ask for ask in _all(tips) if ask.template == ends[0]]
    wanted += [ask for ask in _all(tips, "moved") if ask.template == ends[1]]
    for ask in wanted:
        if ask.method in ("GET", "HEAD"):
            continue
        before = watch.state()
        answer = _send(client, ask)
        if watch.state() != before:
            assert answer.status_code < 400, (str(ask), answer.status_code, answer.text)
            changed.add(f"{ask.method} {ask.template}")
    api = "{type:models|datasets|spaces|kernels}/{ns}/{name}"
    expected = [
        f"DELETE /api/{api}/branch/{{rev:path}}",
        f"DELETE /api/{api}/tag/{{rev:path}}",
        f"POST /api/{api}/branch/{{rev:path}}",
        f"POST /api/{api}/commit/{{rev:path}}",
        f"POST /api/{api}/duplicate",
        f"DELETE /api/{api}/lfs-files/{{sha}}",
        f"POST /api/{api}/lfs-files/duplicate",
        f"POST /api/{api}/super-squash/{{rev:path}}",
        f"POST /api/{api}/tag/{{rev:path}}",
        f"PUT /api/{api}/settings",
        "DELETE /api/repos/delete",
        "PATCH /api/settings/profile",
        "POST /api/organizations/create",
        "POST /api/repos/create",
        "POST /api/repos/move",
        "POST /api/settings/tokens",
    ]
    for prefix in ("", "/datasets", "/spaces"):
        expected += [f"POST {prefix}/{{ns}}/{{name}}/git-receive-pack"]
        expected += [
            f"POST {prefix}/{{ns}}/{{name}}.git/info/lfs/{what}" for what in ("objects/batch", "locks")
        ]
    assert sorted(set(expected) - changed) == []
