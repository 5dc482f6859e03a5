"""How clients learn what a file is made of, and fetch just that: for any range, both versions, several ranges at once."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from api.content import Content
from api.xet_content import (
    mixed_content,
    name_of,
    split,
    store_file,
    store_simple,
    store_xorb,
)
from openhood.base.names import XetHash
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import fetching, passes, rows
from openhood.domain.xet.types import Pass
from openhood.engines.xet.compression import decode
from openhood.engines.xet.hashing import to_text
from openhood.engines.xet.xorb import split_chunks
from openhood.infra.db.tables import xorbs
from openhood.infra.guarded_store import GuardedStore
from openhood.plugins.objects_local import LocalObjects
from openhood.testing.hub import HubUnderTest

CAS = "/cas/0123456789ab"


def repo_of(hub: HubUnderTest, name: str = "alice/m", **options: str) -> int:
    """The number of a new repository of alice's."""
    if name == "alice/m":
        hub.add_user("alice")
    return Content(hub.sv, name, **options).repo.id


def reader_of(hub: HubUnderTest, repo: int) -> httpx.Client:
    """A client with a read token for a repository."""
    token, _expires = passes.make_token(hub.sv, Pass(0, repo, may_write=False))
    return hub.client(token)


def bytes_of(range_: Mapping[str, int]) -> str:
    return f"bytes={range_['start']}-{range_['end']}"


def decode_run(stored: bytes) -> list[bytes]:
    return [bytes(decode(scheme, form, size)) for scheme, form, size in split_chunks(memoryview(stored))]


def join(answer: Mapping[str, Any], runs: Mapping[str, Sequence[tuple[int, list[bytes]]]]) -> bytes:
    """Put a file together as clients do: each term out of the one run that holds it."""
    made = []
    for term in answer["terms"]:
        first, end = term["range"]["start"], term["range"]["end"]
        fitting = [
            chunks[first - begin : end - begin]
            for begin, chunks in runs[term["hash"]]
            if begin <= first and end <= begin + len(chunks)
        ]
        assert len(fitting) == 1
        assert sum(map(len, fitting[0])) == term["unpacked_length"]
        made += fitting[0]
    return b"".join(made)[answer["offset_into_first_range"] :]


def fetch_v1(hub: HubUnderTest, answer: Mapping[str, Any]) -> bytes:
    anonymous = hub.client()
    runs: dict[str, list[tuple[int, list[bytes]]]] = {}
    for xorb, entries in answer["fetch_info"].items():
        ends = 0
        for entry in entries:
            assert entry["range"]["start"] > ends or not ends
            ends = entry["range"]["end"]
            got = anonymous.get(entry["url"], headers={"Range": bytes_of(entry["url_range"])})
            assert got.status_code == 206, got.text
            chunks = decode_run(got.content)
            assert len(chunks) == ends - entry["range"]["start"]
            runs.setdefault(xorb, []).append((entry["range"]["start"], chunks))
    return join(answer, runs)


def parts_of(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """The parts of a multipart answer as hf_xet takes it apart: (Content-Range, data)."""
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    assert len(boundary) >= 40
    pieces = answer.content.split(b"--" + boundary)
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    parts = []
    for piece in pieces[1:-1]:
        head, _, data = piece.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-range: bytes (\d+-\d+)/\d+", head)
        assert found is not None
        parts.append((found[1].decode(), data.removesuffix(b"\r\n")))
    return parts


def fetch_v2(hub: HubUnderTest, answer: Mapping[str, Any]) -> bytes:
    anonymous = hub.client()
    runs: dict[str, list[tuple[int, list[bytes]]]] = {}
    for xorb, entries in answer["xorbs"].items():
        for entry in entries:
            assert len(entry["url"]) < 8000
            spans = [f"{each['bytes']['start']}-{each['bytes']['end']}" for each in entry["ranges"]]
            got = anonymous.get(entry["url"], headers={"Range": "bytes=" + ",".join(spans)})
            assert got.status_code == 206, got.text
            assert int(got.headers["content-length"]) == len(got.content)
            parts = [(spans[0], got.content)] if len(spans) == 1 else parts_of(got)
            assert [span for span, _data in parts] == spans
            for each, (_span, data) in zip(entry["ranges"], parts, strict=True):
                chunks = decode_run(data)
                assert len(chunks) == each["chunks"]["end"] - each["chunks"]["start"]
                runs.setdefault(xorb, []).append((each["chunks"]["start"], chunks))
    return join(answer, runs)


def scattered(hub: HubUnderTest, repo: int) -> tuple[bytes, LfsObject]:
    """A file whose terms repeat, overlap, touch and run backwards in two xorbs."""
    chunks = split(mixed_content(2_500_000), least=200, most=90_000)
    half = len(chunks) // 2
    _id, one = store_xorb(hub.sv, chunks[:half])
    _id, two = store_xorb(hub.sv, chunks[half:])
    pieces = [(one, 5, 9), (two, 3, 4), (one, 7, 12), (one, 12, 13), (two, 0, 2), (one, 0, 2), (one, 5, 9)]
    pieces += [(two, at, at + 1) for at in range(two.chunk_count - 1, 0, -2)]
    data = b"".join(
        b"".join((chunks if index is one else chunks[half:])[first:end]) for index, first, end in pieces
    )
    return data, store_file(hub.sv, repo, data, pieces)


def test_both_versions_give_back_any_range(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    data, made = scattered(hub, repo)
    client = reader_of(hub, repo)
    chance = random.Random(4)
    spans: list[tuple[int, int] | None] = [None, (0, len(data) - 1), (0, 0), (len(data) - 1, len(data) + 99)]
    for _ in range(25):
        start = chance.randrange(len(data))
        spans.append((start, start + chance.choice((0, 100, 50_000, 700_000))))
    for span in spans:
        headers = {} if span is None else {"Range": f"bytes={span[0]}-{span[1]}"}
        expected = data if span is None else data[span[0] : span[1] + 1]
        for version, fetch in (("v1", fetch_v1), ("v2", fetch_v2)):
            answer = client.get(f"{CAS}/{version}/reconstructions/{name_of(made)}", headers=headers)
            assert answer.status_code == 200, answer.text
            # The last term may reach beyond the range, by less than a chunk.
            assert fetch(hub, answer.json())[: len(expected)] == expected


def test_runs_are_merged_sorted_and_minimal(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    _data, made = scattered(hub, repo)
    answer = reader_of(hub, repo).get(f"{CAS}/v2/reconstructions/{name_of(made)}").json()
    for entries in answer["xorbs"].values():
        runs = [each["chunks"] for entry in entries for each in entry["ranges"]]
        for before, after in pairwise(runs):
            assert before["end"] < after["start"]
    first = next(iter(answer["xorbs"].values()))[0]["ranges"]
    assert [each["chunks"] for each in first] == [{"start": 0, "end": 2}, {"start": 5, "end": 13}]


def test_many_runs_are_split_over_urls(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    data = random.Random(6).randbytes(100 * 900)
    chunks = [data[at : at + 100] for at in range(0, len(data), 100)]
    _id, index = store_xorb(hub.sv, chunks)
    picked = list(range(0, 900, 2))
    content = b"".join(chunks[i] for i in picked)
    made = store_file(hub.sv, repo, content, [(index, i, i + 1) for i in picked])
    answer = reader_of(hub, repo).get(f"{CAS}/v2/reconstructions/{name_of(made)}").json()
    (entries,) = answer["xorbs"].values()
    assert len(entries) == -(-len(picked) // fetching.MAX_RANGES)
    assert fetch_v2(hub, answer) == content


def test_the_end_of_a_file_is_416(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    data = mixed_content(100_000)
    made = store_simple(hub.sv, repo, data)
    client = reader_of(hub, repo)
    for path in ("v1/reconstructions", "v2/reconstructions", "reconstruction"):
        url = f"{CAS}/{path}/{name_of(made)}"
        assert client.get(url, headers={"Range": "bytes=100000-200000"}).status_code == 416
        assert client.get(url, headers={"Range": "bytes=99999-200000"}).status_code == 200


def test_empty_file(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    made = store_file(hub.sv, repo, b"", [])
    client = reader_of(hub, repo)
    answer = client.get(f"{CAS}/v1/reconstructions/{name_of(made)}")
    assert answer.json() == {"offset_into_first_range": 0, "terms": [], "fetch_info": {}}
    answer = client.get(f"{CAS}/v2/reconstructions/{name_of(made)}")
    assert answer.json() == {"offset_into_first_range": 0, "terms": [], "xorbs": {}}
    assert client.head(f"{CAS}/v1/files/{name_of(made)}").headers["content-length"] == "0"


def test_size_of_a_file(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, mixed_content(123_456))
    client = reader_of(hub, repo)
    assert client.head(f"{CAS}/v1/files/{name_of(made)}").headers["content-length"] == "123456"
    assert client.head(f"{CAS}/v1/files/{'a' * 64}").status_code == 404


def test_batches(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    contents = [mixed_content(200_000, seed=seed) for seed in (1, 2)]
    names = [name_of(store_simple(hub.sv, repo, data)) for data in contents]
    client = reader_of(hub, repo)
    unknown = "b" * 64
    got = client.get(f"{CAS}/v1/reconstructions", params=[("file_id", name) for name in (*names, unknown)])
    sent = client.post(
        f"{CAS}/v1/reconstructions", json=[{"prefix": "default", "hash": name} for name in (unknown, *names)]
    )
    for answer in (got, sent):
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert set(body["files"]) == set(names)
        for name, data in zip(names, contents, strict=True):
            terms = body["files"][name]
            needed = {term["hash"] for term in terms}
            infos = {xorb: runs for xorb, runs in body["fetch_info"].items() if xorb in needed}
            shaped = {"offset_into_first_range": 0, "terms": terms, "fetch_info": infos}
            assert fetch_v1(hub, shaped) == data
    assert client.post(f"{CAS}/v1/reconstructions", json={"hash": names[0]}).status_code == 400
    assert client.get(f"{CAS}/v1/reconstructions?file_id=x").status_code == 400


def test_chunk_hashes_are_not_offered(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, mixed_content(50_000))
    client = reader_of(hub, repo)
    assert client.get(f"{CAS}/v2/file-chunk-hashes/{name_of(made)}").status_code == 404


class SigningObjects(LocalObjects):
    """A store that hands out URLs of its own for exact ranges."""

    origin = "http://store.test:9000"

    def presign_range(self, key: str, start: int, length: int, *, expires_s: int) -> str | None:
        return f"{self.origin}/bucket/{key}?range={start}-{start + length - 1}&expires={expires_s}"


def test_a_store_that_signs_urls_serves_each_run_itself(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    _data, made = scattered(hub, repo)
    store = SigningObjects(hub.data_dir / "objects")
    object.__setattr__(hub.sv, "objects", GuardedStore(store))
    client = reader_of(hub, repo)
    answer = client.get(f"{CAS}/v2/reconstructions/{name_of(made)}").json()
    entries = [entry for each in answer["xorbs"].values() for entry in each]
    assert len(entries) > 4
    for entry in entries:
        # The store checks one range, and knows nothing of several.
        (run,) = entry["ranges"]
        span = f"{run['bytes']['start']}-{run['bytes']['end']}"
        assert entry["url"].startswith("http://store.test:9000/bucket/xorbs/")
        assert entry["url"].endswith(f"?range={span}&expires={fetching.LIFETIME_S}")
    first = client.get(f"{CAS}/v1/reconstructions/{name_of(made)}").json()
    urls = [entry["url"] for each in first["fetch_info"].values() for entry in each]
    assert urls == [entry["url"] for entry in entries]
    # A store behind the hub's own address is no other origin: clients would send it what is meant for the hub.
    store.origin = hub.url
    answer = client.get(f"{CAS}/v2/reconstructions/{name_of(made)}").json()
    assert all("/fetch/" in entry["url"] for each in answer["xorbs"].values() for entry in each)


# --- who may --------------------------------------------------------------------------------


def test_a_file_of_another_repository_is_like_none(hub: HubUnderTest) -> None:
    mine = repo_of(hub)
    other = repo_of(hub, "alice/secret", visibility="private")
    made = store_simple(hub.sv, other, mixed_content(80_000))
    client = reader_of(hub, mine)
    for path in ("v1/reconstructions", "v2/reconstructions", "reconstruction"):
        theirs = client.get(f"{CAS}/{path}/{name_of(made)}")
        absent = client.get(f"{CAS}/{path}/{'c' * 64}")
        assert theirs.status_code == absent.status_code == 404
        assert theirs.text.replace(name_of(made), "") == absent.text.replace("c" * 64, "")
    assert client.head(f"{CAS}/v1/files/{name_of(made)}").status_code == 404
    assert client.get(f"{CAS}/v1/reconstructions?file_id={name_of(made)}").json()["files"] == {}
    assert reader_of(hub, other).get(f"{CAS}/v1/reconstructions/{name_of(made)}").status_code == 200


def test_tokens_are_needed(hub: HubUnderTest) -> None:
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, mixed_content(80_000))
    for client in (hub.client(), hub.client("hf_wrong")):
        for path in (f"v2/reconstructions/{name_of(made)}", f"v1/reconstructions?file_id={name_of(made)}"):
            assert client.get(f"{CAS}/{path}").status_code == 401
        assert client.head(f"{CAS}/v1/files/{name_of(made)}").status_code == 401
        assert client.get(f"{CAS}/v2/file-chunk-hashes/{name_of(made)}").status_code == 401
    client = reader_of(hub, repo)
    hub.clock.advance(3700)
    assert client.get(f"{CAS}/v2/reconstructions/{name_of(made)}").status_code == 401


@pytest.fixture
def link(hub: HubUnderTest) -> tuple[str, int, int]:
    """A URL for a run in the middle of a xorb, and its first and last byte."""
    repo = repo_of(hub)
    data = random.Random(8).randbytes(500_000)
    made = store_simple(
        hub.sv, repo, data, chunks=[data[at : at + 50_000] for at in range(0, 500_000, 50_000)]
    )
    client = reader_of(hub, repo)
    answer = client.get(f"{CAS}/v1/reconstructions/{name_of(made)}", headers={"Range": "bytes=150000-249999"})
    ((entry,),) = answer.json()["fetch_info"].values()
    span = entry["url_range"]
    assert (span["start"], span["end"]) == (3 * 50_008, 5 * 50_008 - 1)
    return entry["url"], span["start"], span["end"]


def test_a_link_serves_parts_of_what_it_was_made_for(hub: HubUnderTest, link: tuple[str, int, int]) -> None:
    url, start, end = link
    client = hub.client()
    for first, last in ((start, end), (start + 1, end - 1), (end, end)):
        got = client.get(url, headers={"Range": f"bytes={first}-{last}"})
        assert got.status_code == 206
        assert len(got.content) == last - first + 1
    asked = client.head(url, headers={"Range": f"bytes={start}-{end}"})
    assert asked.headers["content-length"] == str(end - start + 1)


def test_a_link_serves_nothing_else(hub: HubUnderTest, link: tuple[str, int, int]) -> None:
    url, start, end = link
    client = hub.client()
    for first, last in (
        (start - 1, end),
        (start, end + 1),
        (0, 10),
        (end + 1, end + 10),
        (start, start + 10**9),
    ):
        assert client.get(url, headers={"Range": f"bytes={first}-{last}"}).status_code == 403
    mixed = client.get(url, headers={"Range": f"bytes={start}-{end},0-7"})
    assert mixed.status_code == 403
    for bad in (
        None,
        "bytes=",
        "bytes=5-",
        "bytes=-5",
        "bytes=9-3",
        "lines=1-2",
        "bytes=1-2,x",
        "bytes=-1-3",
    ):
        answer = client.get(url, headers={} if bad is None else {"Range": bad})
        assert answer.status_code == 400, bad
    many = ",".join([f"{start}-{start}"] * (fetching.MAX_RANGES + 1))
    assert client.get(url, headers={"Range": f"bytes={many}"}).status_code == 400


def test_forged_and_expired_links(hub: HubUnderTest, link: tuple[str, int, int]) -> None:
    url, start, end = link
    client = hub.client()
    headers = {"Range": f"bytes={start}-{end}"}
    forged = url[:-3] + ("AAA" if not url.endswith("AAA") else "BBB")
    assert client.get(forged, headers=headers).status_code == 403
    assert client.get(url.partition("?")[0], headers=headers).status_code == 403
    # For a xorb that is not there the answer is the same: links are no oracle.
    absent = re.sub(r"/fetch/[0-9a-f]{64}", "/fetch/" + "d" * 64, forged)
    assert client.get(absent, headers=headers).status_code == 403
    hub.clock.advance(fetching.LIFETIME_S + 1)
    assert client.get(url, headers=headers).status_code == 403


def test_a_link_does_not_serve_another_xorb(hub: HubUnderTest, link: tuple[str, int, int]) -> None:
    url, start, end = link
    _id, other = store_xorb(hub.sv, [random.Random(9).randbytes(100_000) for _ in range(8)])
    swapped = re.sub(r"/fetch/[0-9a-f]{64}", f"/fetch/{to_text(other.digest)}", url)
    assert hub.client().get(swapped, headers={"Range": f"bytes={start}-{end}"}).status_code == 403


def test_a_link_ends_when_the_xorb_is_sent_anew(hub: HubUnderTest, link: tuple[str, int, int]) -> None:
    url, start, end = link
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs).values(key="xorbs/aa/aa/elsewhere"))
    assert hub.client().get(url, headers={"Range": f"bytes={start}-{end}"}).status_code == 403


def test_gone_and_damaged_xorbs(hub: HubUnderTest, link: tuple[str, int, int]) -> None:
    url, start, end = link
    client = hub.client()
    with hub.sv.db.read() as tx:
        xorb = rows.get_xorb(tx, XetHash(url.partition("/fetch/")[2][:64]))
    assert xorb is not None
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs).values(state="damaged"))
    stored = bytearray(hub.sv.objects.get(xorb.key))
    stored[start + 8 + 60_000] ^= 1  # in the second chunk of the two
    hub.sv.objects.put(xorb.key, bytes(stored))
    # What is still right is still served; rotten bytes never are, for clients do not check them.
    assert client.get(url, headers={"Range": f"bytes={start}-{start + 50_007}"}).status_code == 206
    assert client.get(url, headers={"Range": f"bytes={start}-{end}"}).status_code == 404
    assert client.get(url, headers={"Range": f"bytes={start + 70_000}-{end}"}).status_code == 404
    hub.sv.objects.delete(xorb.key)
    assert client.get(url, headers={"Range": f"bytes={start}-{end}"}).status_code in (404, 500)
