"""A private repository answers as one that does not exist does, on every route, to whoever may not see it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

import httpx
import pytest

from api.desk import NDJSON, header, lfs_file, ndjson
from api.everywhere import LFS_DATA, LFS_OID, Ask, asks, fill_repo
from openhood.http.routes import ROUTES
from openhood.testing.hub import HubUnderTest

JSON = {"Content-Type": "application/json"}
KINDS = ("models", "datasets", "spaces", "kernels")
# All of one length, so that a Content-Length is comparable.
HIDDEN, MOVED, MISSING = "secret", "before", "absent"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    """A hub where alice has a private model, dataset and space ``secret``, each called ``before`` once."""
    with HubUnderTest() as made:
        alice = made.client(made.add_user("alice"))
        made.add_org("acme", members={"alice": "admin"})
        for kind in ("model", "dataset", "space"):
            fill_repo(alice, "alice", MOVED, kind)
            move = {"fromRepo": f"alice/{MOVED}", "toRepo": f"alice/{HIDDEN}", "type": kind}
            assert alice.post("/api/repos/move", json=move).status_code == 200
            hide = alice.put(f"/api/{kind}s/alice/{HIDDEN}/settings", json={"private": True})
            assert hide.status_code == 200
        yield made


@pytest.fixture(scope="module")
def strangers(hub: HubUnderTest) -> dict[str, httpx.Client]:
    """Those who may not see them: nobody, another user, and a token of alice's own for something else."""
    entity = {"type": "model", "name": "alice/another"}
    scopes = {"scoped": [{"entity": entity, "permissions": ["repo.content.read", "repo.write"]}]}
    return {
        "nobody": hub.client(),
        "bob": hub.client(hub.add_user("bob")),
        "narrow": hub.client(hub.add_token("alice", role="fineGrained", scopes=scopes, name="narrow")),
    }


@pytest.mark.parametrize("who", ["nobody", "bob", "narrow"])
@pytest.mark.parametrize(("name", "kinds"), [(HIDDEN, KINDS), (MOVED, ("models", "spaces"))])
def test_private_is_as_missing_on_every_route(
    strangers: dict[str, httpx.Client], who: str, name: str, kinds: tuple[str, ...]
) -> None:
    client = strangers[who]
    hidden = asks(ns="alice", name=name, kinds=kinds, viewer="bob", below_repo=True, tips={})
    missing = asks(ns="alice", name=MISSING, kinds=kinds, viewer="bob", below_repo=True, tips={})
    differences, templates, statuses = [], set(), set()
    for one, other in zip(hidden, missing, strict=True):
        templates.add(one.template)
        found, expected = _answer(client, one), _answer(client, other)
        statuses.add(found[0])
        # Pages send people who are not signed in there first, whatever they asked for.
        to_login = found[0] == 303 and found[1].get("location", "").startswith("/login?next=")
        if found != expected or (found[0] < 400 and not to_login):
            differences.append((str(one), found, expected))

    assert not differences, f"{len(differences)} differ, the first: {differences[0]}"
    below = {route.template for route in ROUTES if "{ns}" in route.template and "{name}" in route.template}
    if kinds == KINDS:
        assert templates == below | {"/api/repos/delete", "/api/repos/move"}
    assert statuses <= {303, 400, 401, 404, 415, 422, 501}


def test_the_owner_sees_them(hub: HubUnderTest) -> None:
    """Else the test above would compare two that are missing."""
    alice = hub.client(hub.add_token("alice", role="read", name="looks"))
    for kind in ("models", "datasets", "spaces"):
        assert alice.get(f"/api/{kind}/alice/{HIDDEN}").status_code == 200
        assert alice.get(f"/api/{kind}/alice/{MOVED}").status_code == 307
        assert alice.get(f"/api/{kind}/alice/{MISSING}").status_code == 404


@pytest.mark.parametrize("who", ["nobody", "bob", "narrow"])
def test_no_listing_names_a_private_repository(
    hub: HubUnderTest, strangers: dict[str, httpx.Client], who: str
) -> None:
    client = strangers[who]
    for url in ("/api/models", "/api/datasets", "/api/spaces"):
        for query in ("", "?author=alice", f"?search={HIDDEN}", "?full=true&author=alice"):
            assert client.get(url + query).json() == []
    overview = client.get("/api/users/alice/overview")
    assert overview.status_code == 200
    assert HIDDEN not in overview.text
    numbers = [overview.json().get(key) for key in ("numModels", "numDatasets", "numSpaces")]
    assert numbers == [0, 0, 0]


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "/api/repos/create", {"name": "NAME", "organization": "alice", "type": "model"}),
        ("POST", "/api/repos/move", {"fromRepo": "bob/own", "toRepo": "alice/NAME", "type": "model"}),
        ("POST", "/api/models/bob/own/duplicate", {"repository": "alice/NAME"}),
        (
            "POST",
            "/api/models/bob/own/lfs-files/duplicate",
            {"target": {"type": "model", "name": "alice/NAME"}, "files": [{"sha256": LFS_OID}]},
        ),
    ],
)
@pytest.mark.parametrize("name", [HIDDEN, MOVED])
def test_a_private_name_in_a_body(
    hub: HubUnderTest, strangers: dict[str, httpx.Client], method: str, url: str, body: object, name: str
) -> None:
    bob = strangers["bob"]
    bob.post("/api/repos/create", json={"name": "own", "type": "model"})
    answers = [
        _answer(bob, Ask(method, url, url, json.dumps(body).replace("NAME", each).encode(), JSON))
        for each in (name, MISSING)
    ]

    assert answers[0] == answers[1]
    assert answers[0][0] in (403, 404)


def test_a_large_file_of_others_is_as_unknown(strangers: dict[str, httpx.Client]) -> None:
    bob = strangers["bob"]
    bob.post("/api/repos/create", json={"name": "own", "type": "model"})

    def answers(oid: str, size: int) -> list[tuple[int, str]]:
        git, wish = "/bob/own.git/info/lfs", {"oid": oid, "size": size}
        lines = ndjson(header(), lfs_file("x.bin", oid, size=size))
        sent = [
            bob.post(f"{git}/objects/batch", json={"operation": "download", "objects": [wish]}),
            bob.post(f"{git}/objects/batch", json={"operation": "upload", "objects": [wish]}),
            bob.post(f"{git}/verify", json=wish),
            bob.post("/api/models/bob/own/commit/main", content=lines, headers=NDJSON),
        ]
        return [
            (
                each.status_code,
                re.sub(r"token=[\w.-]+", "token=T", each.text)
                .replace(oid, "OID")
                .replace(each.headers["x-request-id"], "ID"),
            )
            for each in sent
        ]

    unknown = hashlib.sha256(b"nobody has this").hexdigest()
    for size in (len(LFS_DATA), len(LFS_DATA) + 1):
        assert answers(LFS_OID, size) == answers(unknown, size)


def _answer(client: httpx.Client, ask: Ask) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body, without what differs between any two answers and without the name."""
    # Uncompressed: what a random request id compresses to differs in length from one answer to the next.
    asked = {**ask.headers, "Accept-Encoding": "identity"}
    answer = client.request(ask.method, ask.url + ask.query, content=ask.content, headers=asked)
    request_id = answer.headers["x-request-id"].encode()
    headers = {
        name: re.sub(f"{HIDDEN}|{MOVED}|{MISSING}", "NAME", value)
        for name, value in answer.headers.items()
        if name not in ("x-request-id", "date")
    }
    body = answer.content.replace(request_id, b"ID")
    return answer.status_code, headers, re.sub(f"{HIDDEN}|{MOVED}|{MISSING}".encode(), b"NAME", body)
