"""LFS uploads in one stream, downloads, verification: the good way and every bad one."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.lfs_client import LFS, batch, commit, create_repo, download, has, plan, sha256, upload
from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.base.settings import Limits, RateLimits
from openhood.domain.access import SYSTEM, Need
from openhood.domain.repos import lookup
from openhood.domain.storage import uploads
from openhood.testing.hub import HubUnderTest
from openhood.testing.transport import BrokenAnswer

DATA = b"weights " * 40_000
WISH = (sha256(DATA), len(DATA))
HubMaker = Callable[..., HubUnderTest]


def _number(hub: HubUnderTest, repo: str) -> int:
    with hub.sv.db.read() as tx:
        return lookup.find(tx, SYSTEM, RepoType.MODEL, RepoId.parse(repo), need=Need.INFO).id


def _stored(hub: HubUnderTest) -> list[str]:
    """Keys of all large files in the object store."""
    return sorted(each.key for each in hub.sv.objects.list("lfs/"))


# --- the good way ---------------------------------------------------------------------------


def test_upload_then_download(hub_on_both: HubUnderTest) -> None:
    alice = hub_on_both.client(hub_on_both.add_user("alice"))
    create_repo(alice, "alice/m")

    answer = batch(alice, "alice/m", WISH)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == LFS
    body = answer.json()
    assert body["transfer"] == "basic"
    actions = body["objects"][0]["actions"]
    assert actions["verify"]["href"] == "http://hub.test/alice/m.git/info/lfs/verify"
    assert actions["upload"]["expires_in"] == 86400

    # The link is the permission: no credentials, or wrong ones, make no difference.
    anyone = hub_on_both.client(headers={"Authorization": "Bearer hf_wrong"})
    assert anyone.put(actions["upload"]["href"], content=DATA).status_code == 200
    checked = alice.post(actions["verify"]["href"], json={"oid": WISH[0], "size": WISH[1]})
    assert (checked.status_code, checked.headers["content-type"]) == (200, LFS)
    assert has(alice, "alice/m", DATA)
    assert download(alice, "alice/m", DATA) == DATA


@pytest.mark.parametrize(
    "url",
    [
        "/alice/x.git/info/lfs",
        "/alice/x/info/lfs",
        "/datasets/alice/x.git/info/lfs",
        "/datasets/alice/x/info/lfs",
        "/spaces/alice/x.git/info/lfs",
        "/spaces/alice/x/info/lfs",
    ],
)
def test_every_shape_of_url(hub: HubUnderTest, url: str) -> None:
    alice = hub.client(hub.add_user("alice"))
    kind = "dataset" if "datasets" in url else "space" if "spaces" in url else "model"
    create_repo(alice, "alice/x", type=kind, **({"sdk": "static"} if kind == "space" else {}))
    body = {"operation": "upload", "objects": [{"oid": WISH[0], "size": WISH[1]}]}

    answer = alice.post(f"{url}/objects/batch", json=body)

    assert answer.status_code == 200, answer.text
    href = answer.json()["objects"][0]["actions"]["upload"]["href"]
    assert alice.put(href, content=DATA).status_code == 200
    verify = answer.json()["objects"][0]["actions"]["verify"]["href"]
    assert alice.post(verify, json={"oid": WISH[0], "size": WISH[1]}).status_code == 200
    assert alice.get(f"{url}/locks").json() == {"locks": []}


def test_uploading_again_changes_nothing(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    action = plan(alice, "alice/m", DATA)
    assert alice.put(action.href, content=DATA).status_code == 200
    before = _stored(hub)

    again = alice.put(action.href, content=DATA)
    garbage = alice.put(action.href, content=b"other bytes")

    # Finished is finished: the answer comes before the body is looked at.
    assert (again.status_code, garbage.status_code) == (200, 200)
    assert _stored(hub) == before
    assert download(alice, "alice/m", DATA) == DATA


def test_two_uploads_of_the_same_object_keep_one_copy(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    first, second = plan(alice, "alice/m", DATA), plan(alice, "alice/m", DATA)
    assert first.href != second.href

    assert alice.put(first.href, content=DATA).status_code == 200
    kept = _stored(hub)
    assert alice.put(second.href, content=DATA).status_code == 200
    hub.run_jobs()

    assert _stored(hub) == kept
    assert download(alice, "alice/m", DATA) == DATA


def test_an_empty_object(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    upload(alice, "alice/m", b"")

    assert download(alice, "alice/m", b"") == b""


def test_ranges_and_conditions_of_a_download(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    upload(alice, "alice/m", DATA)
    answer = batch(alice, "alice/m", WISH, operation="download")
    item = answer.json()["objects"][0]
    href = item["actions"]["download"]["href"]
    assert item["authenticated"] is True

    part = alice.get(href, headers={"Range": "bytes=10-19"})
    past = alice.get(href, headers={"Range": "bytes=999999999-"})
    head = alice.head(href)

    assert (part.status_code, part.content) == (206, DATA[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(DATA)}"
    assert past.status_code == 416
    assert past.headers["content-range"] == f"bytes */{len(DATA)}"
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(DATA)), b"")
    assert head.headers["etag"] == f'"{WISH[0]}"'
    assert head.headers["content-disposition"] == "attachment"
    assert alice.get(href, headers={"If-None-Match": head.headers["etag"]}).status_code == 304


def test_a_file_imported_without_http(hub_on_both: HubUnderTest, tmp_path: Path) -> None:
    alice = hub_on_both.client(hub_on_both.add_user("alice"))
    create_repo(alice, "alice/m")
    number = _number(hub_on_both, "alice/m")
    path = tmp_path / "model.bin"
    path.write_bytes(DATA)

    first = uploads.import_file(hub_on_both.sv, repo_number=number, path=path)
    path.write_bytes(b"changed afterwards")
    hub_on_both.clock.advance(2 * 86400)
    hub_on_both.run_jobs()
    path.write_bytes(DATA)
    second = uploads.import_file(hub_on_both.sv, repo_number=number, path=path)

    assert (first.sha256, first.size_bytes, first.is_new) == (*WISH, True)
    assert second.is_new is False
    assert download(alice, "alice/m", DATA) == DATA
    path.write_bytes(b"for nobody")
    with pytest.raises(NotFound, match="no repository"):
        uploads.import_file(hub_on_both.sv, repo_number=1, path=path)


# --- bad bytes ------------------------------------------------------------------------------


def test_wrong_bytes_of_the_right_size(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    action = plan(alice, "alice/m", DATA)

    answer = alice.put(action.href, content=b"x" * len(DATA))

    assert answer.status_code == 400
    assert "SHA-256" in answer.json()["message"]
    assert WISH[0] in answer.headers["x-error-message"]
    assert not has(alice, "alice/m", DATA)
    assert _stored(hub) == []
    # The same link still takes the right ones.
    assert alice.put(action.href, content=DATA).status_code == 200
    assert has(alice, "alice/m", DATA)


def test_too_few_bytes(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    action = plan(alice, "alice/m", DATA)

    announced = alice.put(action.href, content=DATA[:-1])
    streamed = alice.put(action.href, content=iter([DATA[:-1]]))

    for answer in (announced, streamed):
        assert answer.status_code == 400
        assert str(len(DATA)) in answer.json()["message"]
    assert not has(alice, "alice/m", DATA)
    assert _stored(hub) == []


def test_too_many_bytes(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    action = plan(alice, "alice/m", DATA)

    announced = alice.put(action.href, content=DATA + b"!")
    streamed = alice.put(action.href, content=iter([DATA, b"!" * 3_000_000]))

    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert not has(alice, "alice/m", DATA)
    assert _stored(hub) == []
    assert list((hub.data_dir / "objects" / ".tmp").iterdir()) == []


def test_a_client_that_hangs_up(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    action = plan(alice, "alice/m", DATA)

    def broken_off() -> Iterator[bytes]:
        yield DATA[: len(DATA) // 2]
        raise ConnectionError

    with pytest.raises(BrokenAnswer):
        alice.put(action.href, content=broken_off())

    assert not has(alice, "alice/m", DATA)
    assert list((hub.data_dir / "objects" / ".tmp").iterdir()) == []
    assert alice.put(action.href, content=DATA).status_code == 200
    assert download(alice, "alice/m", DATA) == DATA


# --- bad links ------------------------------------------------------------------------------


def test_a_link_without_or_with_a_false_signature(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    href = plan(alice, "alice/m", DATA).href
    bare = href.partition("?")[0]

    for url in (bare, href + "x", href[:-3] + "AAA", f"{bare}?token=abc.def"):
        answer = alice.put(url, content=DATA)
        assert answer.status_code == 403, url
        assert answer.headers["content-type"] == LFS
        assert "link" in answer.json()["message"]
    assert not has(alice, "alice/m", DATA)


def test_a_link_is_for_one_object_and_one_purpose(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    other = b"other object"
    href = plan(alice, "alice/m", DATA).href
    token = href.partition("?")[2]
    upload(alice, "alice/m", other)
    got = batch(alice, "alice/m", (sha256(other), len(other)), operation="download").json()
    download_token = got["objects"][0]["actions"]["download"]["href"].partition("?")[2]

    assert alice.put(f"/objects/lfs/{sha256(other)}?{token}", content=other).status_code == 403
    assert alice.get(f"/objects/lfs/{WISH[0]}?{token}").status_code == 403
    assert alice.get(f"/objects/lfs/{WISH[0]}?{download_token}").status_code == 403
    assert alice.put(f"/objects/lfs/{sha256(other)}?{download_token}", content=other).status_code == 403
    assert alice.post(f"/objects/lfs/{WISH[0]}?{token}", json={"parts": []}).status_code == 403


def test_links_expire(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    href = plan(alice, "alice/m", DATA).href
    upload(alice, "alice/m", b"small")
    got = batch(alice, "alice/m", (sha256(b"small"), 5), operation="download").json()
    download_href = got["objects"][0]["actions"]["download"]["href"]

    hub.clock.advance(86400 + 2)

    late = alice.put(href, content=DATA)
    assert late.status_code == 403
    assert "expired" in late.json()["message"]
    assert "expired" in alice.get(download_href).json()["message"]
    hub.clock.advance(2 * 3600)
    assert hub.run_jobs() > 0
    assert not has(alice, "alice/m", DATA)
    assert has(alice, "alice/m", b"small")


def test_the_links_of_a_deleted_repository_lead_nowhere(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    href = plan(alice, "alice/m", DATA).href
    upload(alice, "alice/m", b"small")
    got = batch(alice, "alice/m", (sha256(b"small"), 5), operation="download").json()
    assert alice.request(
        "DELETE", "/api/repos/delete", json={"name": "m", "organization": "alice"}
    ).is_success

    assert alice.put(href, content=DATA).status_code == 404
    assert alice.get(got["objects"][0]["actions"]["download"]["href"]).status_code == 404

    hub.run_jobs()
    hub.clock.advance(7 * 3600)
    hub.run_jobs()
    assert _stored(hub) == []


# --- who may --------------------------------------------------------------------------------


def test_another_repository_does_not_tell_what_it_has(hub: HubUnderTest) -> None:
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    create_repo(alice, "alice/secret", visibility="private")
    create_repo(bob, "bob/m")
    upload(alice, "alice/secret", DATA)
    kept = _stored(hub)
    unknown = b"nobody has this"

    wished = batch(bob, "bob/m", WISH, (sha256(unknown), len(unknown))).json()["objects"]
    fetched = batch(bob, "bob/m", WISH, (sha256(unknown), len(unknown)), operation="download").json()[
        "objects"
    ]

    assert all("actions" in each for each in wished)
    assert [each["error"]["code"] for each in fetched] == [404, 404]
    assert fetched[0]["error"]["message"].replace(WISH[0], "") == fetched[1]["error"]["message"].replace(
        sha256(unknown), ""
    )
    # A size that is not the real one is found out by the bytes only.
    assert "actions" in batch(bob, "bob/m", (WISH[0], 5)).json()["objects"][0]
    # Whoever has the bytes may store them, and then they are there once.
    assert bob.put(wished[0]["actions"]["upload"]["href"], content=DATA).status_code == 200
    hub.run_jobs()
    assert _stored(hub) == kept
    assert download(bob, "bob/m", DATA) == DATA
    # The owner of the first copy leaves; the second repository keeps its object.
    assert alice.request(
        "DELETE", "/api/repos/delete", json={"name": "secret", "organization": "alice"}
    ).is_success
    hub.run_jobs()
    hub.clock.advance(86400)
    hub.run_jobs()
    assert download(bob, "bob/m", DATA) == DATA


def test_private_and_missing_repositories_look_alike(hub: HubUnderTest) -> None:
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    create_repo(alice, "alice/secret", visibility="private")

    for client, status in ((bob, 404), (hub.client(), 401)):
        for operation in ("upload", "download"):
            hidden = batch(client, "alice/secret", WISH, operation=operation)
            missing = batch(client, "alice/nothing", WISH, operation=operation)
            assert hidden.status_code == missing.status_code == status
            assert hidden.json()["message"] == missing.json()["message"]
            assert hidden.headers["content-type"] == LFS
            if status == 401:
                assert hidden.headers["lfs-authenticate"].startswith("Basic")
                assert hidden.headers["www-authenticate"].startswith("Basic")
        body = {"oid": WISH[0], "size": WISH[1]}
        assert client.post("/alice/secret.git/info/lfs/verify", json=body).status_code == status


def test_basic_credentials_as_git_lfs_sends_them(hub: HubUnderTest) -> None:
    token = hub.add_user("alice")
    create_repo(hub.client(token), "alice/m", visibility="private")

    for pair in (f"alice:{token}", f"anything:{token}", f"{token}:"):
        basic = hub.client(headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
        assert batch(basic, "alice/m", WISH).status_code == 200
    wrong = hub.client(headers={"Authorization": "Basic " + base64.b64encode(b"alice:hf_no").decode()})
    answer = batch(wrong, "alice/m", WISH)
    assert answer.status_code == 401
    assert answer.headers["lfs-authenticate"].startswith("Basic")


def test_readers_may_upload_for_a_pull_request_and_not_for_a_push(hub: HubUnderTest) -> None:
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    create_repo(alice, "alice/m")
    reader = hub.client(hub.add_token("bob", role="read"))

    assert batch(bob, "alice/m", WISH, ref={"name": "main"}).status_code == 200
    assert batch(bob, "alice/m", WISH, ref={"name": "refs/heads/main"}).status_code == 403
    assert batch(reader, "alice/m", WISH).status_code == 403
    # git-lfs looks for credentials only after a 401.
    anonymous = batch(hub.client(), "alice/m", WISH)
    assert anonymous.status_code == 401
    assert anonymous.headers["lfs-authenticate"].startswith("Basic")
    assert batch(alice, "alice/m", WISH, ref={"name": "refs/heads/main"}).status_code == 200
    assert batch(hub.client(), "alice/m", WISH, operation="download").status_code == 200


# --- bad batches ----------------------------------------------------------------------------


def test_one_bad_object_does_not_spoil_the_others(make_hub: HubMaker) -> None:
    hub = make_hub(limits=Limits(lfs_file_bytes=1_000_000))
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    upload(alice, "alice/m", b"known")
    huge = sha256(b"huge")

    answer = batch(
        alice,
        "alice/m",
        (huge, 1_000_001),
        (sha256(b"known"), 6),
        ("abc", 3),
        (WISH[0].upper(), 3),
        (sha256(b"negative"), -1),
        WISH,
        (sha256(b"known"), 5),
    )

    assert answer.status_code == 200
    found = {(each["oid"], each["size"]): each for each in answer.json()["objects"]}
    assert found[huge, 1_000_001]["error"]["code"] == 413
    assert found[sha256(b"known"), 6]["error"]["code"] == 422
    assert found["abc", 3]["error"]["code"] == 422
    assert found[WISH[0].upper(), 3]["error"]["code"] == 422
    assert found[sha256(b"negative"), -1]["error"]["code"] == 422
    assert "upload" in found[WISH]["actions"]
    assert found[sha256(b"known"), 5] == {"oid": sha256(b"known"), "size": 5}
    assert all(isinstance(each["error"]["message"], str) for each in found.values() if "error" in each)


def test_the_same_object_twice_in_one_batch(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    first, second, odd = batch(alice, "alice/m", WISH, WISH, (WISH[0], 7)).json()["objects"]

    assert first["actions"]["upload"]["href"] == second["actions"]["upload"]["href"]
    assert odd["error"]["code"] == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"operation":"upload"}', 400),
        (b'{"operation":"erase","objects":[]}', 422),
        (b'{"operation":"upload","objects":[1]}', 400),
        (b'{"operation":"upload","objects":[{"size":1}]}', 400),
        (b'{"operation":"upload","objects":[{"oid":"a","size":"1"}]}', 422),
        (b'{"operation":"upload","objects":[],"hash_algo":"sha512"}', 422),
        (b'{"operation":"upload","objects":[],"transfers":[1]}', 400),
    ],
)
def test_a_malformed_batch(hub: HubUnderTest, body: bytes, status: int) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    answer = alice.post("/alice/m.git/info/lfs/objects/batch", content=body, headers={"Content-Type": LFS})

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == LFS
    assert answer.json()["message"]


def test_a_batch_of_too_many_objects(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    answer = batch(alice, "alice/m", *[(sha256(b"%d" % number), 1) for number in range(1001)])

    assert answer.status_code == 413


def test_other_spellings_and_transfers(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")

    assert batch(alice, "alice/m", WISH, hash_algo="sha_256").json()["transfer"] == "basic"
    assert batch(alice, "alice/m", WISH, transfers=()).json()["transfer"] == "basic"
    assert batch(alice, "alice/m", WISH, transfers=("ssh", "basic")).json()["transfer"] == "basic"


def test_verify_tells_what_did_not_arrive(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    upload(alice, "alice/m", DATA)
    url = "/alice/m.git/info/lfs/verify"

    assert alice.post(url, json={"oid": WISH[0], "size": WISH[1]}).json() == {}
    assert alice.post(url, json={"oid": WISH[0], "size": 1}).status_code == 422
    assert alice.post(url, json={"oid": sha256(b"other"), "size": 5}).status_code == 404
    assert alice.post(url, json={"oid": "x", "size": 5}).status_code == 400
    assert alice.post(url, json={}).status_code == 400


# --- quota, sweeping ------------------------------------------------------------------------


def test_the_quota_of_a_namespace(make_hub: HubMaker) -> None:
    hub = make_hub(limits=Limits(namespace_storage_bytes=500_000))
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    first, second, third = b"a" * 200_000, b"b" * 200_000, b"c" * 200_000

    planned = batch(alice, "alice/m", *[(sha256(data), len(data)) for data in (first, second, third)])
    objects = planned.json()["objects"]

    assert ["error" in each for each in objects] == [False, False, True]
    assert objects[2]["error"]["code"] == 403
    assert "quota" in objects[2]["error"]["message"]
    # Plans made side by side may promise too much; what is stored may not exceed it.
    more = plan(alice, "alice/m", third)
    for data, item in zip((first, second), objects, strict=False):
        assert alice.put(item["actions"]["upload"]["href"], content=data).status_code == 200
    refused = alice.put(more.href, content=third)
    assert refused.status_code == 403
    assert "quota" in refused.json()["message"]
    hub.run_jobs()
    assert not has(alice, "alice/m", third)
    assert len(_stored(hub)) == 2


def test_unfinished_uploads_are_swept_and_finished_ones_are_not(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    plan(alice, "alice/m", b"never sent")
    upload(alice, "alice/m", DATA)
    commit(alice, "alice/m", {"a.bin": DATA})

    hub.clock.advance(30 * 3600)
    hub.run_jobs()
    hub.clock.advance(30 * 3600)
    hub.run_jobs()
    # What was sent has become chunks meanwhile, and its whole copy goes like all that is deleted.
    hub.clock.advance(7 * 3600)
    hub.run_jobs()

    with hub.sv.db.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM lfs_uploads").scalar() == 0
        assert tx.exec_driver_sql("SELECT count(*) FROM doomed_objects").scalar() == 0
        waiting = tx.exec_driver_sql("SELECT kind, count(*) FROM jobs GROUP BY kind").all()
    assert download(alice, "alice/m", DATA) == DATA
    assert {("sweep_uploads", 1), ("delete_doomed", 1), ("forget_lfs", 1)} <= {tuple(row) for row in waiting}


def test_storage_is_measured(hub_on_both: HubUnderTest) -> None:
    alice = hub_on_both.client(hub_on_both.add_user("alice"))
    create_repo(alice, "alice/m")
    upload(alice, "alice/m", DATA)
    upload(alice, "alice/m", DATA + b"2")
    commit(alice, "alice/m", {"a.bin": DATA})
    hub_on_both.clock.advance(10)
    hub_on_both.run_jobs()

    with hub_on_both.sv.db.read() as tx:
        used = tx.exec_driver_sql("SELECT used_storage_bytes FROM repos").scalar()
        packed = tx.exec_driver_sql("SELECT sum(size_bytes) FROM packs WHERE retired_at IS NULL").scalar()
    assert packed
    assert used == 2 * len(DATA) + 1 + packed


def test_wrong_credentials_do_not_matter_with_rate_limits(make_hub: HubMaker) -> None:
    hub = make_hub(rate=RateLimits(api=1000, resolvers=1000))
    alice = hub.client(hub.add_user("alice"))
    create_repo(alice, "alice/m")
    upload(alice, "alice/m", DATA)
    stranger = hub.client("hf_wrong")

    href = plan(alice, "alice/m", b"new").href

    assert stranger.put(href, content=b"new").status_code == 200
    assert download(alice, "alice/m", DATA) == DATA
