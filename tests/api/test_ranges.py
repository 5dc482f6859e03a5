"""Ranges and conditions of a download, for bytes in git, on the local disk and in a remote store."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from api.content import Content, Large, blob_oid
from openhood.base.errors import ObjectMissing, RangeNotSatisfiable
from openhood.http import bytes as body
from openhood.http.bytes import MAX_RANGES, Span, matches, parse_ranges
from openhood.infra.guarded_store import GuardedStore
from openhood.plugins.objects_local import LocalObjects
from openhood.testing.hub import HubUnderTest

SMALL = bytes(range(100))
LARGE = Large(os.urandom(3_000_000))


class FarObjects(LocalObjects):
    """A store that has no file to open here: its objects must be relayed, or fetched from a URL of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.presigned: str | None = None
        self.asked: list[Mapping[str, str]] = []
        self.windows: list[int] = []

    def local_path(self, key: str) -> Path | None:
        return None

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.windows.append(length)
        return super().get_range(key, start, length)

    def presign_get(self, key: str, *, expires_s: int, headers: Mapping[str, str]) -> str | None:
        self.asked.append(headers)
        return None if self.presigned is None else f"{self.presigned}/{key}?signature=1"


@pytest.fixture
def far(hub: HubUnderTest) -> FarObjects:
    """Replaces the hub's store by one whose objects have no path."""
    store = FarObjects(hub.data_dir / "objects")
    object.__setattr__(hub.sv, "objects", GuardedStore(store))
    return store


@pytest.fixture
def content(hub: HubUnderTest) -> Content:
    hub.add_user("alice")
    made = Content(hub.sv, "alice/m")
    made.commit({"small.bin": SMALL, "large.bin": LARGE, "empty.bin": b"", "empty-lfs.bin": Large(b"")})
    return made


def get(hub: HubUnderTest, path: str, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return hub.client().get(f"/alice/m/resolve/main/{path}", headers=sent)


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        (None, ()),
        ("bytes=0-9", (Span(0, 10),)),
        ("bytes=10-", (Span(10, 90),)),
        ("bytes=-10", (Span(90, 10),)),
        ("bytes=-1000", (Span(0, 100),)),
        ("bytes=99-99", (Span(99, 1),)),
        ("bytes=99-1000000", (Span(99, 1),)),
        ("bytes= 0-9 ", (Span(0, 10),)),
        ("BYTES=0-9", (Span(0, 10),)),
        ("bytes=0-0,-1", (Span(0, 1), Span(99, 1))),
        ("bytes=-1,0-0", (Span(99, 1), Span(0, 1))),
        ("bytes=0-9,5-14", (Span(0, 15),)),
        ("bytes=0-9,10-19", (Span(0, 20),)),
        ("bytes=200-300,0-9", (Span(0, 10),)),
        ("bytes=0-9,,", (Span(0, 10),)),
        # Malformed: as if there were no header.
        ("bytes", ()),
        ("bytes=", ()),
        ("bytes=-", ()),
        ("bytes=a-b", ()),
        ("bytes=9-0", ()),
        ("bytes=0-9;", ()),
        ("bytes=--5", ()),
        ("bytes=+1-2", ()),
        ("bytes=1-2-3", ()),
        ("bytes=٣-٤", ()),
        ("items=0-9", ()),
        ("bytes=" + "9" * 30 + "-", ()),
        ("bytes=" + ",".join(f"{place}-{place}" for place in range(MAX_RANGES + 1)), ()),
    ],
)
def test_parsing(header: str | None, spans: tuple[Span, ...]) -> None:
    assert parse_ranges(header, 100) == spans


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=1000-,200-300"])
def test_ranges_past_the_end(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse_ranges(header, 100)
    assert caught.value.facts == {"size": 100}


def test_etags_compare_strongly_and_weakly() -> None:
    assert matches('"a"', '"a"', weak=False)
    assert matches('"b", "a"', '"a"', weak=False)
    assert matches("*", '"a"', weak=False)
    assert not matches('W/"a"', '"a"', weak=False)
    assert matches('W/"a"', '"a"', weak=True)
    assert not matches('"A"', '"a"', weak=True)


@pytest.mark.parametrize(("path", "data"), [("small.bin", SMALL), ("large.bin", LARGE.data)])
def test_one_range(hub: HubUnderTest, content: Content, path: str, data: bytes) -> None:
    size = len(data)
    for header, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=5-14", 5, 15),
        ("bytes=50-", 50, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=10-{size * 2}", 10, size),
    ):
        answer = get(hub, path, Range=header)
        assert answer.status_code == 206, header
        assert answer.content == data[start:stop]
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert answer.headers["content-length"] == str(stop - start)
        assert answer.headers["x-repo-commit"] == content.ref("refs/heads/main").commit_oid


@pytest.mark.parametrize(("path", "size"), [("small.bin", 100), ("large.bin", 3_000_000)])
def test_a_range_past_the_end_is_416_with_the_size(
    hub: HubUnderTest, content: Content, path: str, size: int
) -> None:
    for header in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0"):
        answer = get(hub, path, Range=header)
        assert answer.status_code == 416
        assert answer.headers["content-range"] == f"bytes */{size}"
        assert answer.json()["error"] == answer.headers["x-error-message"]


def test_malformed_ranges_get_the_whole_file(hub: HubUnderTest, content: Content) -> None:
    for header in ("bytes=-", "bytes=9-0", "lines=0-1", "nonsense"):
        answer = get(hub, "small.bin", Range=header)
        assert (answer.status_code, answer.content) == (200, SMALL)
        assert "content-range" not in answer.headers


@pytest.mark.parametrize("path", ["empty.bin", "empty-lfs.bin"])
def test_empty_files_tell_their_size_to_the_probe_of_huggingface_js(
    hub: HubUnderTest, content: Content, path: str
) -> None:
    answer = get(hub, path, Range="bytes=0-0")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-range"] == "bytes */0"
    assert answer.headers["etag"]
    assert get(hub, path, Range="bytes=5-").status_code == 416
    assert get(hub, path, Range="bytes=-5").status_code == 200


@pytest.mark.parametrize("path", ["large.bin", "small.bin"])
def test_several_ranges_come_as_parts(hub: HubUnderTest, content: Content, path: str) -> None:
    data = LARGE.data if path == "large.bin" else SMALL
    size = len(data)
    answer = get(hub, path, Range=f"bytes=0-3,{size - 5}-,1-8")
    assert answer.status_code == 206
    assert "content-range" not in answer.headers
    found = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", answer.headers["content-type"])
    assert found is not None
    parts = answer.content.split(f"--{found[1]}".encode())
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    heads, bodies = zip(*[part.split(b"\r\n\r\n", 1) for part in parts[1:-1]], strict=True)
    assert [head.rpartition(b"Content-Range: ")[2] for head in heads] == [
        f"bytes 0-8/{size}".encode(),
        f"bytes {size - 5}-{size - 1}/{size}".encode(),
    ]
    assert list(bodies) == [data[:9] + b"\r\n", data[-5:] + b"\r\n"]


def test_head_ignores_ranges(hub: HubUnderTest, content: Content) -> None:
    answer = hub.client().head("/alice/m/resolve/main/large.bin", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, "3000000")


def test_conditions(hub: HubUnderTest, content: Content) -> None:
    for path, etag in (("small.bin", blob_oid(SMALL)), ("large.bin", LARGE.sha256)):
        for value in (f'"{etag}"', f'W/"{etag}"', f'"x", "{etag}"', "*"):
            for method in ("GET", "HEAD"):
                answer = hub.client().request(
                    method, f"/alice/m/resolve/main/{path}", headers={"If-None-Match": value}
                )
                assert (answer.status_code, answer.content) == (304, b"")
                assert answer.headers["etag"] == f'"{etag}"'
                assert "x-repo-commit" in answer.headers
        assert get(hub, path, If_None_Match='"other"').status_code == 200
        assert get(hub, path, If_None_Match=f'"{etag}"', Range="bytes=0-1").status_code == 304
        assert get(hub, path, If_Range=f'"{etag}"', Range="bytes=0-1").status_code == 206
        assert get(hub, path, If_Range='"other"', Range="bytes=0-1").status_code == 200
        assert get(hub, path, If_Range=f'W/"{etag}"', Range="bytes=0-1").status_code == 200
        assert get(hub, path, If_Range="Tue, 02 Jan 2024 00:00:00 GMT", Range="bytes=0-1").status_code == 200
        assert get(hub, path, If_Match=f'"{etag}"').status_code == 200
        assert get(hub, path, If_Match='"other"').status_code == 412
        assert get(hub, path, If_Modified_Since="Tue, 02 Jan 2924 00:00:00 GMT").status_code == 200


def test_objects_of_a_remote_store_are_relayed_in_windows(
    hub: HubUnderTest, content: Content, far: FarObjects
) -> None:
    huge = Large(os.urandom(1 << 20) * 20)
    content.commit({"huge.bin": huge})
    assert get(hub, "huge.bin").content == huge.data
    assert far.windows == [1 << 20, body.WINDOW_BYTES, body.WINDOW_BYTES, 3 << 20]
    part = get(hub, "large.bin", Range="bytes=2500000-")
    assert (part.status_code, part.content) == (206, LARGE.data[2_500_000:])
    several = get(hub, "large.bin", Range="bytes=5-6,200-201,2000000-2000001")
    assert several.status_code == 206
    assert LARGE.data[2_000_000:2_000_002] in several.content
    assert body.Relay._running == 0


def test_get_is_redirected_to_a_presigned_url_of_another_origin(
    hub: HubUnderTest, content: Content, far: FarObjects
) -> None:
    far.presigned = "http://store.test:9000/bucket"
    answer = get(hub, "large.bin", Range="bytes=0-9")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("http://store.test:9000/bucket/lfs/")
    assert answer.headers["x-linked-etag"] == f'"{LARGE.sha256}"'
    assert answer.headers["x-linked-size"] == "3000000"
    assert answer.headers["x-repo-commit"] == content.ref("refs/heads/main").commit_oid
    assert far.asked[-1] == {
        "content-type": "application/octet-stream",
        "content-disposition": "inline; filename*=UTF-8''large.bin; filename=\"large.bin\";",
    }
    head = hub.client().head("/alice/m/resolve/main/large.bin")
    assert (head.status_code, head.headers["content-length"]) == (200, "3000000")
    # What git holds, what is empty, what the client has and the probe of huggingface.js stay here.
    assert get(hub, "small.bin").status_code == 200
    assert get(hub, "empty-lfs.bin", Range="bytes=0-0").status_code == 200
    assert get(hub, "large.bin", If_None_Match=f'"{LARGE.sha256}"').status_code == 304
    probe = get(hub, "large.bin", Range="bytes=0-0", Accept="application/vnd.xet-fileinfo+json, */*")
    assert (probe.status_code, probe.content) == (206, LARGE.data[:1])
    assert hub.client().get("/alice/m/raw/main/large.bin").status_code == 200


def test_no_redirect_to_our_own_origin_regression(
    hub: HubUnderTest, content: Content, far: FarObjects
) -> None:
    far.presigned = f"{hub.url}/storage"
    assert get(hub, "large.bin").content == LARGE.data


def test_redirects_can_be_switched_off(make_hub: object) -> None:
    hub: HubUnderTest = make_hub(redirect_downloads=False)  # type: ignore[operator]
    store = FarObjects(hub.data_dir / "objects")
    store.presigned = "http://store.test"
    object.__setattr__(hub.sv, "objects", GuardedStore(store))
    hub.add_user("alice")
    Content(hub.sv, "alice/m").commit({"large.bin": LARGE})
    assert get(hub, "large.bin").content == LARGE.data


def open_descriptors(directory: Path) -> list[str]:
    """Files below ``directory`` that this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith(str(directory)) and "/lfs/" in target:
            found.append(target)
    return found


def test_descriptors_are_closed_when_clients_hang_up(hub: HubUnderTest, content: Content) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    client = hub.client()
    for _ in range(3):
        with client.stream("GET", "/alice/m/resolve/main/large.bin") as answer:
            chunks: Iterator[bytes] = answer.iter_bytes()
            assert next(chunks)
    assert client.get("/alice/m/resolve/main/large.bin", headers={"Range": "bytes=0-1"}).status_code == 206
    assert client.get("/alice/m/resolve/main/large.bin").content == LARGE.data
    deadline = time.monotonic() + 5
    while open_descriptors(hub.data_dir) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert open_descriptors(hub.data_dir) == []


def test_a_lost_object_is_an_error_and_not_an_empty_file(hub: HubUnderTest, content: Content) -> None:
    for stored in (hub.data_dir / "objects" / "lfs").rglob("*-test"):
        stored.unlink()
    answer = get(hub, "large.bin")
    assert answer.status_code == 500
    assert "content-disposition" not in answer.headers
    with pytest.raises(ObjectMissing):
        body.LocalFile(hub.data_dir / "nothing")


def test_parallel_ranges_join_to_the_file(hub: HubUnderTest, content: Content) -> None:
    step = 200_000
    parts: dict[int, bytes] = {}

    def fetch(start: int) -> None:
        parts[start] = get(hub, "large.bin", Range=f"bytes={start}-{start + step - 1}").content

    threads = [threading.Thread(target=fetch, args=(start,)) for start in range(0, len(LARGE.data), step)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b"".join(parts[start] for start in sorted(parts)) == LARGE.data
