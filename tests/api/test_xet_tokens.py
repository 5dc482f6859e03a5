"""Who gets a CAS token for a repository, what the answers look like, and where else Xet shows in the API."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from api.conftest import HubMaker
from api.desk import Desk, file, lfs_file
from api.lfs_client import batch, create_repo, sha256
from openhood.base.errors import Forbidden, Unauthorized
from openhood.base.names import RepoId, RepoType, Sha256, XetHash
from openhood.base.settings import Limits, Xet
from openhood.domain.access import SYSTEM
from openhood.domain.repos import xet
from openhood.domain.storage import rows as storage_rows
from openhood.domain.xet import passes
from openhood.infra.db.tables import lfs_uploads
from openhood.testing.hub import HubUnderTest

READ, WRITE = "xet-read-token/main", "xet-write-token/main"
DATA = b"large " * 1000
HASH = XetHash("ab" * 32)


def token_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["accessToken"])


# --- the answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
@pytest.mark.parametrize("word", [READ, WRITE])
def test_an_answer_says_everything_twice(hub: HubUnderTest, kind: str, word: str) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m", type=kind, **({"sdk": "static"} if kind == "space" else {}))

    answer = alice.get(f"/api/{kind}s/alice/m/{word}")

    body, headers = answer.json(), answer.headers
    assert sorted(body) == ["accessToken", "casUrl", "exp"]
    assert headers["x-xet-access-token"] == body["accessToken"]
    assert headers["x-xet-cas-url"] == body["casUrl"]
    assert headers["x-xet-token-expiration"] == str(body["exp"])
    assert headers["cache-control"] == "no-store"
    assert 3000 < body["exp"] - time.time() < 4000
    address = urlsplit(body["casUrl"])
    assert f"{address.scheme}://{address.netloc}" == hub.url
    assert address.path.startswith("/cas/")
    assert not address.path.endswith("/")
    head = alice.head(f"/api/{kind}s/alice/m/{word}")
    assert head.status_code == 200
    assert head.headers["x-xet-cas-url"] == body["casUrl"]


def test_a_token_permits_what_was_asked_for(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    reading = passes.read_token(hub.sv, token_of(desk.client.get(f"{desk.api}/{READ}")), write=False)
    writing = passes.read_token(hub.sv, token_of(desk.client.get(f"{desk.api}/{WRITE}")), write=True)
    nobody = passes.read_token(hub.sv, token_of(hub.client().get(f"{desk.api}/{READ}")), write=False)

    assert (reading.repo, reading.may_write) == (desk.repo.id, False)
    assert (writing.repo, writing.may_write) == (desk.repo.id, True)
    assert reading.user == writing.user == desk.repo.owner_id
    assert (nobody.user, nobody.repo, nobody.may_write) == (0, desk.repo.id, False)
    with pytest.raises(Forbidden):
        passes.read_token(hub.sv, token_of(desk.client.get(f"{desk.api}/{READ}")), write=True)


def test_a_token_ends_when_it_says(make_hub: HubMaker) -> None:
    hub = make_hub(xet=Xet(token_lifetime_s=900))
    desk = Desk(hub)
    answer = desk.client.get(f"{desk.api}/{READ}")
    assert answer.json()["exp"] == pytest.approx(hub.clock.now().timestamp() + 900, abs=5)

    hub.clock.advance(890)
    assert passes.read_token(hub.sv, token_of(answer), write=False)
    hub.clock.advance(15)
    with pytest.raises(Unauthorized, match="expired"):
        passes.read_token(hub.sv, token_of(answer), write=False)


def test_the_address_follows_the_request_and_the_setting(make_hub: HubMaker) -> None:
    hub = make_hub()
    desk = Desk(hub)
    other = hub.client(desk.token, base_url="http://hub.example:8080")
    assert other.get(f"{desk.api}/{READ}").json()["casUrl"].startswith("http://hub.example:8080/cas/")

    fixed = Desk(make_hub(public_url="https://hub.example/"))
    assert fixed.client.get(f"{fixed.api}/{READ}").json()["casUrl"].startswith("https://hub.example/cas/")


def test_the_address_changes_with_the_epoch_only(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    first = desk.client.get(f"{desk.api}/{READ}").json()["casUrl"]
    assert desk.client.get(f"{desk.api}/{WRITE}").json()["casUrl"] == first

    epoch = passes.change_epoch(hub.sv)
    hub.clock.advance(120)  # the old one may be remembered for a moment

    assert desk.client.get(f"{desk.api}/{READ}").json()["casUrl"] == f"{hub.url}/cas/{epoch}" != first


# --- revisions ------------------------------------------------------------------------------


def test_revisions_for_reading(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    tip = desk.done(file("a.txt", b"a"))
    desk.client.post(f"{desk.api}/branch/dev%2Fnext", json={})
    desk.done(file("b.txt", b"b"), create_pr="1")
    for revision in ("main", "HEAD", tip, tip[:8], "dev%2Fnext", "dev/next", "refs%2Fpr%2F1", "None"):
        answer = desk.client.get(f"{desk.api}/xet-read-token/{revision}")
        assert answer.status_code == 200, (revision, answer.text)
    for revision in ("nope", "0" * 40, "refs%2Fpr%2F9"):
        answer = desk.client.get(f"{desk.api}/xet-read-token/{revision}")
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound"), revision


@pytest.mark.parametrize("revision", ["main", "None", "not-yet", "HEAD", "0" * 40, "dev%2Fnext", "dev/next"])
def test_any_revision_will_do_for_writing(hub: HubUnderTest, revision: str) -> None:
    desk = Desk(hub)
    bob = hub.client(hub.add_user("bob"))

    assert desk.client.get(f"{desk.api}/xet-write-token/{revision}").status_code == 200
    assert desk.client.get(f"{desk.api}/xet-write-token/{revision}?create_pr=1").status_code == 200
    refused = bob.get(f"{desk.api}/xet-write-token/{revision}")
    assert refused.status_code == 403
    assert "create_pr=1" in refused.json()["error"]


def test_pull_requests_are_their_authors_to_change(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    bob, carol = hub.client(hub.add_user("bob")), hub.client(hub.add_user("carol"))
    desk.done(file("b.txt", b"b"), create_pr="1", client=bob)
    pull = f"{desk.api}/xet-write-token/refs%2Fpr%2F1"

    assert bob.get(pull).status_code == 200
    assert bob.get(f"{desk.api}/xet-write-token/pr%2F1").status_code == 200
    assert desk.client.get(pull).status_code == 200, "who may write to the repository may help"
    assert carol.get(pull).status_code == 403
    assert carol.get(f"{pull}?create_pr=1").status_code == 200, "for a pull request of her own"
    assert hub.client().get(pull).status_code == 401
    missing = bob.get(f"{desk.api}/xet-write-token/refs%2Fpr%2F2")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "RevisionNotFound")
    # A branch that is only called like one is not his.
    desk.client.post(f"{desk.api}/branch/pr%2F7", json={})
    assert bob.get(f"{desk.api}/xet-write-token/pr%2F7").status_code == 403


# --- permission -----------------------------------------------------------------------------


def test_who_may_read_and_write(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    looker = hub.client(hub.add_token("alice", role="read", name="looks"))
    bob = hub.client(hub.add_user("bob"))
    scopes = {
        "scoped": [{"entity": {"type": "model", "name": "alice/m"}, "permissions": ["repo.content.read"]}]
    }
    narrow = hub.client(hub.add_token("alice", role="fineGrained", scopes=scopes, name="narrow"))
    clients = {"alice": desk.client, "looker": looker, "narrow": narrow, "bob": bob, "nobody": hub.client()}
    seen = {
        who: [client.get(f"{desk.api}/{path}").status_code for path in (READ, WRITE, WRITE + "?create_pr=1")]
        for who, client in clients.items()
    }
    assert seen == {
        "alice": [200, 200, 200],
        "looker": [200, 403, 403],
        "narrow": [200, 403, 403],
        "bob": [200, 403, 200],
        "nobody": [200, 401, 401],
    }


def test_members_of_an_organization(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    clients = {name: hub.client(hub.add_user(name)) for name in ("writes", "reads", "absent")}
    hub.add_org("acme", members={"alice": "admin", "writes": "write", "reads": "read"})
    create_repo(alice, "acme/p", private=True)
    seen = {
        who: [client.get(f"/api/models/acme/p/{path}").status_code for path in (READ, WRITE)]
        for who, client in clients.items()
    }
    assert seen == {"writes": [200, 200], "reads": [200, 403], "absent": [404, 404]}


def test_a_gate_binds(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    bob = hub.client(hub.add_user("bob"))
    assert desk.client.put(f"{desk.api}/settings", json={"gated": "manual"}).status_code == 200

    for path in (READ, "xet-read-token/nope", WRITE + "?create_pr=1"):
        for client, status in ((bob, 403), (hub.client(), 401)):
            answer = client.get(f"{desk.api}/{path}")
            assert (answer.status_code, answer.headers["x-error-code"]) == (status, "GatedRepo"), path
    assert desk.client.get(f"{desk.api}/{READ}").status_code == 200


def test_a_disabled_and_a_renamed_repository(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    move = {"fromRepo": "alice/m", "toRepo": "alice/renamed", "type": "model"}
    assert desk.client.post("/api/repos/move", json=move).status_code == 200
    for path in (READ, WRITE, WRITE + "?create_pr=1"):
        answer = desk.client.get(f"{desk.api}/{path}")
        assert answer.status_code == 307
        assert answer.headers["location"] == f"/api/models/alice/renamed/{path}"
    root = hub.client(hub.add_user("root", admin=True))
    assert root.put("/api/models/alice/renamed/settings", json={"disabled": True}).status_code == 200
    answer = desk.client.get(f"/api/models/alice/renamed/{READ}")
    assert answer.status_code == 403
    assert answer.headers["x-error-message"] == "Access to this resource is disabled."


def test_writing_needs_an_account(hub: HubUnderTest) -> None:
    Desk(hub)
    with pytest.raises(Forbidden, match="account"):
        xet.issue_write(
            hub.sv,
            SYSTEM,
            repo_type=RepoType.MODEL,
            repo_id=RepoId("alice", "m"),
            revision="main",
            create_pr=False,
        )


def test_kinds_that_this_hub_does_not_hold(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    assert alice.get(f"/api/kernels/alice/m/{READ}").status_code == 404
    assert alice.get("/api/buckets/alice/b/xet-write-token").status_code == 501


# --- LFS batches ----------------------------------------------------------------------------

ALL = ("basic", "multipart", "xet")
WISH = (sha256(DATA), len(DATA))
OTHER = (sha256(b"other"), 5)


def test_a_batch_answers_with_xet_where_it_is_offered(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.add_lfs(DATA)

    answer = batch(desk.client, "alice/m", WISH, OTHER, OTHER, transfers=ALL, ref={"name": "refs/heads/main"})

    body = answer.json()
    assert body["transfer"] == "xet"
    had, new, again = body["objects"]
    assert "actions" not in had
    assert new == again == {"oid": OTHER[0], "size": 5, "actions": new["actions"]}
    assert list(new["actions"]) == ["upload"]
    action = new["actions"]["upload"]
    assert action["href"] == f"{hub.url}{desk.api}/xet-write-token/main"
    header = action["header"]
    assert sorted(header) == [
        "X-Xet-Access-Token",
        "X-Xet-Cas-Url",
        "X-Xet-Session-Id",
        "X-Xet-Token-Expiration",
    ]
    given = passes.read_token(hub.sv, header["X-Xet-Access-Token"], write=True)
    assert (given.repo, given.user) == (desk.repo.id, desk.repo.owner_id)
    fresh = desk.client.get(action["href"])
    assert fresh.json()["casUrl"] == header["X-Xet-Cas-Url"]
    assert abs(fresh.json()["exp"] - int(header["X-Xet-Token-Expiration"])) <= 2
    with hub.sv.db.read() as tx:
        begun = tx.execute(select(lfs_uploads.c.sha256)).scalars().all()
    assert OTHER[0] not in begun, "there is nothing to sweep of an upload by Xet"


def test_a_batch_without_xet_is_what_it_was(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    for transfers in (("basic",), ("basic", "multipart"), ("basic", "multipart", "ssh"), ()):
        body = batch(desk.client, "alice/m", WISH, transfers=transfers).json()
        assert body["transfer"] == "basic"
        assert f"/objects/lfs/{WISH[0]}" in body["objects"][0]["actions"]["upload"]["href"]


def test_a_download_is_never_by_xet(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.add_lfs(DATA)
    body = batch(desk.client, "alice/m", WISH, operation="download", transfers=ALL).json()
    assert body["transfer"] == "basic"
    assert desk.client.get(body["objects"][0]["actions"]["download"]["href"]).content == DATA


def test_nothing_to_send_and_empty_files_are_no_matter_for_xet(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.add_lfs(DATA)
    assert batch(desk.client, "alice/m", WISH, transfers=ALL).json()["transfer"] == "basic"
    empty = batch(desk.client, "alice/m", (sha256(b""), 0), OTHER, transfers=ALL).json()
    assert empty["transfer"] == "basic"
    assert all("verify" in each["actions"] for each in empty["objects"])


def test_what_is_refused_is_refused_by_xet_too(make_hub: HubMaker) -> None:
    hub = make_hub(limits=Limits(namespace_storage_bytes=10_000, lfs_file_bytes=8_000))
    desk = Desk(hub)
    wishes = [(sha256(b"%d" % size), size) for size in (6_000, 5_000, 9_000)]

    body = batch(desk.client, "alice/m", *wishes, (wishes[0][0], 1), ("x" * 64, 5), transfers=ALL).json()

    assert body["transfer"] == "xet"
    outcomes = [each.get("error", {}).get("code") for each in body["objects"]]
    assert outcomes == [None, 403, 413, 422, 422]
    assert "quota" in body["objects"][1]["error"]["message"]


def test_who_may_only_propose_gets_the_right_address(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    bob = hub.client(hub.add_user("bob"))

    for ref in ({"name": "main"}, None):
        body = batch(bob, "alice/m", OTHER, transfers=ALL, ref=ref).json()
        action = body["objects"][0]["actions"]["upload"]
        name = "None" if ref is None else "main"
        assert action["href"] == f"{hub.url}{desk.api}/xet-write-token/{name}?create_pr=1"
        assert bob.get(action["href"]).status_code == 200
    # git-lfs says that it pushes to a branch.
    assert batch(bob, "alice/m", OTHER, transfers=ALL, ref={"name": "refs/heads/main"}).status_code == 403
    assert batch(hub.client(), "alice/m", OTHER, transfers=ALL).status_code == 401
    looker = hub.client(hub.add_token("alice", role="read", name="looks"))
    assert batch(looker, "alice/m", OTHER, transfers=ALL).status_code == 403


def test_a_branch_with_slashes_in_a_batch(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    body = batch(desk.client, "alice/m", OTHER, transfers=ALL, ref={"name": "refs/heads/dev/ü next"}).json()
    href = body["objects"][0]["actions"]["upload"]["href"]
    assert href.endswith("/xet-write-token/dev%2F%C3%BC%20next")
    assert desk.client.get(href).status_code == 200


# --- listings -------------------------------------------------------------------------------


@pytest.fixture
def stored(hub: HubUnderTest) -> Desk:
    """Alice's repository with two large files, one of which is there as a Xet file."""
    desk = Desk(hub)
    one, two = desk.add_lfs(DATA), desk.add_lfs(DATA * 2)
    desk.done(lfs_file("d/x.bin", one), lfs_file("l.bin", two), file("s.txt", b"small"))
    with hub.sv.db.write() as tx:
        assert storage_rows.set_xet_hash(tx, Sha256(one), HASH)
    return desk


def hashes(answer: httpx.Response) -> dict[str, str | None]:
    assert answer.status_code == 200, answer.text
    return {each["path"]: each.get("xetHash") for each in answer.json() if each["type"] == "file"}


def test_listings_have_the_hash(stored: Desk, hub: HubUnderTest) -> None:
    expected = {".gitattributes": None, "d/x.bin": HASH, "l.bin": None, "s.txt": None}
    asked = {"paths": ["d/x.bin", "l.bin", "s.txt", "d"], "expand": True}
    for client in (stored.client, hub.client()):
        assert hashes(client.get(f"{stored.api}/tree/main?recursive=true")) == expected
        assert hashes(client.get(f"{stored.api}/tree/main?recursive=true&expand=true")) == expected
        assert hashes(client.get(f"{stored.api}/tree/main/d")) == {"d/x.bin": HASH}
        found = hashes(client.post(f"{stored.api}/paths-info/main", json=asked))
        assert found == {"d/x.bin": HASH, "l.bin": None, "s.txt": None}
    assert all(
        "xetHash" not in each or each["xetHash"]
        for each in stored.client.get(f"{stored.api}/tree/main").json()
    )


def test_no_hash_for_who_stands_before_a_gate(stored: Desk, hub: HubUnderTest) -> None:
    assert stored.client.put(f"{stored.api}/settings", json={"gated": "auto"}).status_code == 200
    bob = hub.client(hub.add_user("bob"))
    for client in (bob, hub.client()):
        assert set(hashes(client.get(f"{stored.api}/tree/main?recursive=true")).values()) == {None}
        assert hashes(client.post(f"{stored.api}/paths-info/main", json={"paths": ["d/x.bin"]})) == {
            "d/x.bin": None
        }
    assert hashes(stored.client.get(f"{stored.api}/tree/main/d")) == {"d/x.bin": HASH}


def test_no_hash_of_what_was_deleted_for_good(stored: Desk) -> None:
    deletion = {"deletions": {"sha": [sha256(DATA)], "rewriteHistory": False}}
    assert stored.client.post(f"{stored.api}/lfs-files/batch", json=deletion).status_code == 200
    assert hashes(stored.client.get(f"{stored.api}/tree/main/d")) == {"d/x.bin": None}


def test_the_list_of_large_files_has_it(stored: Desk) -> None:
    listed = stored.client.get(f"{stored.api}/lfs-files").json()
    assert {each["filename"]: each.get("xetHash") for each in listed} == {"d/x.bin": HASH, "l.bin": None}


def test_another_repository_may_be_given_a_xet_file(stored: Desk) -> None:
    create_repo(stored.client, "alice/other")
    body = {
        "target": {"type": "model", "name": "alice/other"},
        "files": [{"xetHash": HASH, "sha256": sha256(DATA), "filename": "d/x.bin"}],
    }
    assert stored.client.post(f"{stored.api}/lfs-files/duplicate", json=body).json() == {"failed": []}
    listed = batch(stored.client, "alice/other", WISH, transfers=ALL).json()
    assert "actions" not in listed["objects"][0]


def test_the_info_says_that_xet_is_enabled(stored: Desk) -> None:
    assert stored.client.get(f"{stored.api}?expand=xetEnabled").json()["xetEnabled"] is True
    changed = stored.client.put(f"{stored.api}/settings", json={"xetEnabled": True})
    assert changed.json() == {"xetEnabled": True}
    refused = stored.client.put(f"{stored.api}/settings", json={"xetEnabled": False, "gated": "auto"})
    assert refused.status_code == 501
    assert "cannot be switched off" in refused.json()["error"]
    assert stored.client.get(stored.api).json()["gated"] is False, "nothing else of it was done"
    made = stored.client.post("/api/repos/create", json={"name": "x", "type": "model", "xetEnabled": True})
    assert made.status_code == 200


# --- telemetry ------------------------------------------------------------------------------


def test_telemetry_is_taken_from_anybody(hub: HubUnderTest) -> None:
    report = {"time": 1, "event": "upload", "session_id": "x", "metrics": {}}
    for headers in ({}, {"Authorization": "Bearer of-some-transfer"}):
        assert hub.client(headers=headers).post("/v1/telemetry", json=report).status_code == 200
    assert hub.client().post("/v1/telemetry", content=b"").status_code == 200
    assert hub.client().post("/v1/telemetry", content=b"x" * 2_000_000).status_code == 413
