"""Files made of chunks, read by clients that know nothing of chunks: ``resolve``, git-lfs, ranges, conditions."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select, update

from api.desk import Desk, file, lfs_file
from api.xet_content import mixed_content, name_of, split, store_file, store_simple, store_xorb
from openhood.base.errors import CorruptObject
from openhood.base.settings import Xet
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.types import LfsObject
from openhood.infra.db.tables import lfs_objects, xorbs
from openhood.testing.hub import HubUnderTest

INFO = "application/vnd.xet-fileinfo+json"
PATH = "/alice/m/resolve/main/a.bin"


def put(hub: HubUnderTest, data: bytes, *, path: str = "a.bin", per_xorb: int = 11) -> tuple[Desk, LfsObject]:
    """A repository with a file that is there as chunks only."""
    desk = Desk(hub)
    made = store_simple(hub.sv, desk.repo.id, data, per_xorb=per_xorb)
    desk.done(lfs_file(path, made.sha256, size=len(data)))
    return desk, made


def forget_xorbs(hub: HubUnderTest) -> None:
    """Take the bytes of all xorbs away."""
    with hub.sv.db.read() as tx:
        keys = list(tx.execute(select(xorbs.c.key)).scalars())
    for key in keys:
        hub.sv.objects.delete(key)


def lfs_url(desk: Desk, made: LfsObject) -> str:
    """Where git-lfs is sent for an object."""
    asked = desk.client.post(
        "/alice/m.git/info/lfs/objects/batch",
        json={"operation": "download", "objects": [{"oid": made.sha256, "size": made.size_bytes}]},
        headers={"Accept": "application/vnd.git-lfs+json"},
    )
    return str(asked.json()["objects"][0]["actions"]["download"]["href"])


def test_whole_and_ranges(hub: HubUnderTest) -> None:
    data = mixed_content(4_000_000)
    desk, made = put(hub, data)
    for client, url in ((desk.client, PATH), (hub.client(), lfs_url(desk, made))):
        whole = client.get(url)
        assert whole.status_code == 200
        assert whole.headers["content-length"] == str(len(data))
        assert whole.headers["etag"] == f'"{made.sha256}"'
        assert whole.content == data
        chance = random.Random(7)
        for _ in range(25):
            start = chance.randrange(len(data))
            length = chance.choice((1, 1000, 100_000, 2_000_000))
            got = client.get(url, headers={"Range": f"bytes={start}-{start + length - 1}"})
            assert got.status_code == 206
            assert got.content == data[start : start + length]
        assert client.get(url, headers={"Range": "bytes=-1000"}).content == data[-1000:]
        beyond = client.get(url, headers={"Range": "bytes=4000000-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */4000000")


def test_several_ranges(hub: HubUnderTest) -> None:
    data = mixed_content(3_000_000)
    desk, _made = put(hub, data)
    got = desk.client.get(PATH, headers={"Range": "bytes=2000000-2900000,5-9,100000-1500000"})
    assert got.status_code == 206
    boundary = got.headers["content-type"].partition("boundary=")[2].encode()
    parts = [
        part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
        for part in got.content.split(b"--" + boundary)[1:-1]
    ]
    assert parts == [data[2000000:2900001], data[5:10], data[100000:1500001]]
    assert int(got.headers["content-length"]) == len(got.content)


def test_head_and_conditions(hub: HubUnderTest) -> None:
    data = mixed_content(300_000)
    desk, made = put(hub, data)
    asked = desk.client.head(PATH)
    assert asked.status_code == 200
    assert asked.headers["content-length"] == asked.headers["x-linked-size"] == "300000"
    assert asked.headers["x-linked-etag"] == asked.headers["etag"] == f'"{made.sha256}"'
    assert desk.client.get(PATH, headers={"If-None-Match": f'"{made.sha256}"'}).status_code == 304
    assert desk.client.get(PATH, headers={"If-Match": '"other"'}).status_code == 412
    kept = desk.client.get(PATH, headers={"Range": "bytes=0-9", "If-Range": f'"{made.sha256}"'})
    assert (kept.status_code, kept.content) == (206, data[:10])
    changed = desk.client.get(PATH, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, data)


def test_empty_file(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    made = store_file(hub.sv, desk.repo.id, b"", [])
    desk.done(lfs_file("a.bin", made.sha256, size=0))
    for url in (PATH, lfs_url(desk, made)):
        got = desk.client.get(url)
        assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")
    assert desk.client.head(PATH).headers["x-xet-hash"] == "0" * 64


# --- the way to the chunks ------------------------------------------------------------------


def test_headers_show_the_way_to_the_chunks(hub: HubUnderTest) -> None:
    data = mixed_content(200_000)
    desk, made = put(hub, data)
    commit = desk.tip()
    for answer in (desk.client.head(PATH), desk.client.get(PATH)):
        assert answer.headers["x-xet-hash"] == name_of(made)
        token = f"{hub.url}/api/models/alice/m/xet-read-token/{commit}"
        assert answer.headers["x-xet-refresh-route"] == token
        auth, _, info = answer.headers["link"].partition(", ")
        assert auth == f'<{token}>; rel="xet-auth"'
        assert info.startswith(f"<{hub.url}/cas/")
        assert info.endswith(f'/v1/reconstructions/{name_of(made)}>; rel="xet-reconstruction-info"')
    # What the headers say works.
    access = desk.client.get(token).json()
    assert info.startswith(f"<{access['casUrl']}/v1/")
    reconstruction = info[1:].partition(">")[0]
    found = hub.client(access["accessToken"]).get(reconstruction)
    assert sum(term["unpacked_length"] for term in found.json()["terms"]) == len(data)


def test_fileinfo(hub: HubUnderTest) -> None:
    desk, made = put(hub, mixed_content(200_000))
    answer = desk.client.get(PATH, headers={"Accept": f"{INFO}, */*", "Range": "bytes=0-0"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == INFO
    assert answer.json() == {"hash": name_of(made), "size": 200_000, "sha256": made.sha256}
    assert answer.headers["x-linked-size"] == "200000"
    assert answer.headers["x-linked-etag"] == f'"{made.sha256}"'
    assert answer.headers["x-xet-hash"] == name_of(made)
    assert "xet-auth" in answer.headers["link"]
    # A cache that kept it under the file's tag would give it out as the file.
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_files_that_are_no_chunks_do_not_show_a_way_to_any(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    sha256 = desk.add_lfs(b"large " * 1000)
    desk.done(lfs_file("a.bin", sha256, size=6000), file("b.txt", b"small"))
    for path, size in (("a.bin", 6000), ("b.txt", 5)):
        url = f"/alice/m/resolve/main/{path}"
        for answer in (desk.client.head(url), desk.client.get(url)):
            assert not {"x-xet-hash", "link", "x-xet-refresh-route"} & set(answer.headers)
        info = desk.client.get(url, headers={"Accept": INFO, "Range": "bytes=0-0"})
        assert (info.status_code, info.headers["content-range"]) == (206, f"bytes 0-0/{size}")


def test_what_is_readable_without_access_is_not_sent_to_the_chunks(hub: HubUnderTest) -> None:
    """Their token would be refused, and clients that are shown the way to chunks try no other."""
    data = mixed_content(100_000)
    desk, _made = put(hub, data, path="README.md")
    assert desk.client.put("/api/models/alice/m/settings", json={"gated": "manual"}).status_code == 200
    answer = hub.client().get("/alice/m/resolve/main/README.md")
    assert (answer.status_code, answer.content) == (200, data)
    assert "x-xet-hash" not in answer.headers


def test_raw_shows_the_pointer(hub: HubUnderTest) -> None:
    desk, made = put(hub, mixed_content(100_000))
    answer = desk.client.get("/alice/m/raw/main/a.bin")
    assert made.sha256 in answer.text
    assert "x-xet-hash" not in answer.headers


def test_a_whole_copy_that_went_is_replaced_by_the_chunks(hub: HubUnderTest) -> None:
    data = mixed_content(400_000)
    desk, made = put(hub, data)
    with hub.sv.db.write() as tx:
        tx.execute(update(lfs_objects).values(key="lfs/aa/aa/gone"))
        found = storage_rows.get_object(tx, made.sha256)
    assert found is not None
    assert found.key == "lfs/aa/aa/gone"
    assert desk.client.get(PATH).content == data
    hub.sv.objects.put("lfs/aa/aa/gone", data)
    forget_xorbs(hub)
    assert desk.client.get(PATH).content == data


# --- damage ---------------------------------------------------------------------------------


def rot(hub: HubUnderTest, key: str, at: int) -> None:
    """Flip a bit of a stored xorb."""
    stored = bytearray(hub.sv.objects.get(key))
    stored[at] ^= 4
    hub.sv.objects.put(key, bytes(stored))


def test_rotten_chunks_are_an_error_and_never_sent(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    data = mixed_content(3_000_000)
    chunks = split(data)
    _id, index = store_xorb(hub.sv, chunks)
    made = store_file(hub.sv, desk.repo.id, data, [(index, 0, index.chunk_count)])
    desk.done(lfs_file("a.bin", made.sha256, size=len(data)))
    with hub.sv.db.read() as tx:
        key = str(tx.execute(select(xorbs.c.key)).scalar_one())
    bad = index.chunk_count - 3
    good_bytes = index.raw_start(bad)
    whole = hub.sv.objects.get(key)
    for offset in (0, 3, 5, 9, (index.stored_span(bad, bad + 1)[1] - 1)):
        rot(hub, key, index.stored_span(bad, bad + 1)[0] + offset)
        assert desk.client.get(PATH, headers={"Range": f"bytes={good_bytes}-"}).status_code == 500
        assert desk.client.get(PATH, headers={"Range": f"bytes=-{len(data) - good_bytes}"}).status_code == 500
        before = desk.client.get(PATH, headers={"Range": f"bytes=0-{good_bytes - 1}"})
        assert before.content == data[:good_bytes]
        # Begun already, the answer breaks off.
        with pytest.raises(CorruptObject):
            desk.client.get(PATH)
        hub.sv.objects.put(key, whole)
    assert desk.client.get(PATH).content == data


def test_a_xorb_that_was_sent_anew_is_found(hub: HubUnderTest) -> None:
    data = mixed_content(1_000_000)
    desk, _made = put(hub, data, per_xorb=1000)
    with hub.sv.db.write() as tx:
        key = str(tx.execute(select(xorbs.c.key)).scalar_one())
        tx.execute(update(xorbs).values(key=key + "2"))
    hub.sv.objects.put(key + "2", hub.sv.objects.get(key))
    hub.sv.objects.delete(key)
    assert desk.client.get(PATH).content == data


# --- joined files ---------------------------------------------------------------------------


def test_a_file_that_is_read_again_is_joined(hub: HubUnderTest) -> None:
    data = mixed_content(2_000_000)
    desk, made = put(hub, data)
    assert desk.client.get(PATH).content == data
    assert hub.sv.decoded.find(made.sha256, size_bytes=len(data)) is None
    assert desk.client.get(PATH).content == data
    assert hub.sv.decoded.find(made.sha256, size_bytes=len(data)) is not None
    forget_xorbs(hub)
    assert desk.client.get(PATH).content == data
    assert desk.client.get(PATH, headers={"Range": "bytes=1000000-1000099"}).content == data[1000000:1000100]
    assert hub.client().get(lfs_url(desk, made)).content == data


def test_a_file_whose_parts_are_read_often_is_joined(hub: HubUnderTest) -> None:
    data = mixed_content(2_000_000)
    desk, made = put(hub, data)
    # Once all of it in pieces is what a download in parallel looks like.
    for start in range(0, len(data), 250_000):
        got = desk.client.get(PATH, headers={"Range": f"bytes={start}-{start + 249_999}"})
        assert got.content == data[start : start + 250_000]
    hub.sv.decoded.wait()
    assert hub.sv.decoded.find(made.sha256, size_bytes=len(data)) is None
    assert desk.client.get(PATH, headers={"Range": "bytes=0-99"}).content == data[:100]
    hub.sv.decoded.wait()
    assert hub.sv.decoded.find(made.sha256, size_bytes=len(data)) is not None
    forget_xorbs(hub)
    assert desk.client.get(PATH).content == data


def test_rotten_files_are_not_joined(hub: HubUnderTest) -> None:
    desk, made = put(hub, mixed_content(2_000_000))
    with hub.sv.db.read() as tx:
        keys = list(tx.execute(select(xorbs.c.key).order_by(xorbs.c.id)).scalars())
    rot(hub, keys[-1], 20)
    for _ in range(3):
        with pytest.raises(CorruptObject):
            desk.client.get(PATH)
    assert hub.sv.decoded.find(made.sha256, size_bytes=made.size_bytes) is None
    assert not list((hub.data_dir / "cache" / "decoded" / "scratch").iterdir())


def test_joining_can_be_turned_off() -> None:
    with HubUnderTest(xet=Xet(decoded_cache_bytes=0)) as hub:
        data = mixed_content(1_000_000)
        desk, _made = put(hub, data)
        for _ in range(3):
            assert desk.client.get(PATH).content == data
        assert not (hub.data_dir / "cache" / "decoded").exists()
