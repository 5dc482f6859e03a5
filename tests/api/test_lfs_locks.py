"""git-lfs locks: made, listed, told apart before a push, and removed."""

from __future__ import annotations

import httpx
import pytest

from api.lfs_client import LFS, create_repo
from openhood.testing.hub import HubUnderTest

URL = "/acme/m.git/info/lfs/locks"


@pytest.fixture
def people(hub_on_both: HubUnderTest) -> tuple[httpx.Client, httpx.Client, httpx.Client]:
    """Two members who may write, and somebody else."""
    hub = hub_on_both
    tokens = [hub.add_user(name) for name in ("alice", "bob", "carol")]
    hub.add_org("acme", {"alice": "write", "bob": "write"})
    alice, bob, carol = (hub.client(token) for token in tokens)
    create_repo(alice, "acme/m")
    return alice, bob, carol


def test_lock_list_and_unlock(people: tuple[httpx.Client, httpx.Client, httpx.Client]) -> None:
    alice, bob, carol = people

    made = alice.post(URL, json={"path": "big.bin", "ref": {"name": "refs/heads/main"}})
    taken = bob.post(URL, json={"path": "big.bin"})
    again = alice.post(URL, json={"path": "big.bin"})

    assert made.status_code == 201
    assert made.headers["content-type"] == LFS
    lock = made.json()["lock"]
    assert (lock["path"], lock["owner"]) == ("big.bin", {"name": "alice"})
    assert lock["locked_at"].endswith("Z")
    for refused in (taken, again):
        assert refused.status_code == 409
        assert refused.json()["lock"] == lock
        assert "alice" in refused.json()["message"]
    assert carol.get(URL).json() == {"locks": [lock]}

    for client, own, others in ((alice, [lock], []), (bob, [], [lock])):
        assert client.post(f"{URL}/verify", json={}).json() == {"ours": own, "theirs": others}

    kept = bob.post(f"{URL}/{lock['id']}/unlock", json={})
    assert kept.status_code == 403
    assert "alice" in kept.json()["message"]
    assert alice.post(f"{URL}/{lock['id']}/unlock").json() == {"lock": lock}
    assert alice.post(f"{URL}/{lock['id']}/unlock").status_code == 404
    assert alice.get(URL).json() == {"locks": []}


def test_somebody_elses_lock_with_force(people: tuple[httpx.Client, httpx.Client, httpx.Client]) -> None:
    alice, bob, carol = people
    lock = alice.post(URL, json={"path": "big.bin"}).json()["lock"]

    assert carol.post(f"{URL}/{lock['id']}/unlock", json={"force": True}).status_code == 403
    assert bob.post(f"{URL}/{lock['id']}/unlock", json={"force": True}).json() == {"lock": lock}


def test_filters_and_pages(people: tuple[httpx.Client, httpx.Client, httpx.Client]) -> None:
    alice, bob, _carol = people
    made = [alice.post(URL, json={"path": f"{number}.bin"}).json()["lock"] for number in range(5)]
    other = bob.post(URL, json={"path": "5.bin"}).json()["lock"]

    assert alice.get(URL, params={"path": "3.bin"}).json() == {"locks": [made[3]]}
    assert alice.get(URL, params={"id": made[2]["id"]}).json() == {"locks": [made[2]]}
    assert alice.get(URL, params={"path": "none"}).json() == {"locks": []}
    first = alice.get(URL, params={"limit": "4"}).json()
    second = alice.get(URL, params={"limit": "4", "cursor": first["next_cursor"]}).json()
    assert first["locks"] + second["locks"] == [*made, other]
    assert "next_cursor" not in second
    page = alice.post(f"{URL}/verify", json={"limit": 5}).json()
    rest = alice.post(f"{URL}/verify", json={"limit": 5, "cursor": page["next_cursor"]}).json()
    assert (page["ours"], page["theirs"]) == (made, [])
    assert rest == {"ours": [], "theirs": [other]}


def test_who_may_lock(
    hub_on_both: HubUnderTest, people: tuple[httpx.Client, httpx.Client, httpx.Client]
) -> None:
    alice, _bob, carol = people
    anonymous = hub_on_both.client()
    create_repo(alice, "acme/secret", visibility="private")

    assert carol.post(URL, json={"path": "a"}).status_code == 403
    assert anonymous.post(URL, json={"path": "a"}).status_code == 401
    assert anonymous.post(f"{URL}/verify", json={}).status_code == 401
    assert anonymous.get(URL).status_code == 200
    for hidden in ("/acme/secret.git/info/lfs/locks", "/acme/nothing.git/info/lfs/locks"):
        assert carol.get(hidden).status_code == 404
        assert carol.post(hidden, json={"path": "a"}).status_code == 404
        assert anonymous.get(hidden).status_code == 401
        assert anonymous.get(hidden).headers["lfs-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"path": 1}, 422),
        ({"path": "../a"}, 422),
        ({"path": ""}, 422),
        ({"path": "x" * 2000}, 422),
    ],
)
def test_paths_that_cannot_be(hub: HubUnderTest, body: dict[str, object], status: int) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    answer = alice.post("/alice/m.git/info/lfs/locks", json=body)

    assert answer.status_code == status
    assert answer.json()["message"]


def test_cursors_that_cannot_be(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    assert alice.get("/alice/m.git/info/lfs/locks?cursor=x").status_code == 422
    assert alice.post("/alice/m.git/info/lfs/locks/verify", json={"cursor": 3}).status_code == 422
