"""What only a real connection can do to a hub: break off, crawl, lie about lengths, and never end."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import lz4.frame
import pytest

from crash.site import DECLARATION, PART_BYTES, TOKEN
from crash.wire import Wire, memory_bytes
from crash.xetpieces import pack
from openhood.testing.server import Server, provision, start_server

AUTH = f"Authorization: Bearer {TOKEN}"
ENV = {
    "OPENHOOD_LIMITS_PUSH_BYTES": "20000000",
    "OPENHOOD_LIMITS_COMMIT_BODY_BYTES": "20000000",
    "OPENHOOD_LIMITS_LFS_PART_BYTES": str(PART_BYTES),
    "OPENHOOD_LIMITS_LFS_MULTIPART_FROM_BYTES": "6000000",
    "OPENHOOD_LOG_LEVEL": "warning",
}
COMMIT = "POST /api/models/alice/m/commit/main"
PUSH = "POST /alice/m.git/git-receive-pack"
NDJSON = "Content-Type: application/x-ndjson"
PUSH_TYPE = "Content-Type: application/x-git-receive-pack-request"
MIB = 1024 * 1024


class Hub:
    """The server, and alice with a model ``m``."""

    def __init__(self, data_dir: Path, server: Server) -> None:
        self.data_dir = data_dir
        self.server = server
        self.alice = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        )
        made = self.alice.post("/api/repos/create", json={"name": "m", "type": "model"})
        assert made.status_code == 200

    def wire(self) -> Wire:
        """A new connection."""
        return Wire(self.server.url)

    def plan(self, data: bytes, *transfers: str) -> tuple[str, str]:
        """Ask to upload; returns the path of the link, or of its first part, and the object's name."""
        oid = hashlib.sha256(data).hexdigest()
        body = {"operation": "upload", "transfers": transfers, "objects": [{"oid": oid, "size": len(data)}]}
        answer = self.alice.post("/alice/m.git/info/lfs/objects/batch", json=body).json()
        action = answer["objects"][0]["actions"]["upload"]
        href = action["header"]["00001"] if "multipart" in transfers else action["href"]
        return href.removeprefix(self.server.url), oid

    def has(self, oid: str, size: int) -> bool:
        """Whether the repository has a large file."""
        body = {"operation": "download", "objects": [{"oid": oid, "size": size}]}
        answer = self.alice.post("/alice/m.git/info/lfs/objects/batch", json=body).json()
        return "actions" in answer["objects"][0]

    def plan_xorb(self, name: str) -> tuple[str, list[str]]:
        """Return the first line and the headers of a request that sends a xorb."""
        found = self.alice.get("/api/models/alice/m/xet-write-token/main").json()
        path = found["casUrl"].removeprefix(self.server.url)
        return f"POST {path}/v1/xorbs/default/{name}", [f"Authorization: Bearer {found['accessToken']}"]

    def has_xorb(self, name: str) -> bool:
        """Whether a xorb is stored, whoever may know of it."""
        return any(path.name.startswith(name) for path in (self.data_dir / "objects" / "xorbs").rglob("*"))

    def state(self) -> object:
        """What clients see of the repository."""
        refs = self.alice.get("/api/models/alice/m/refs").json()
        return refs, self.alice.get("/api/models/alice/m/commits/main").json()

    def scraps(self) -> list[str]:
        """Files of requests under way."""
        here = [*(self.data_dir / "objects" / ".tmp").iterdir()]
        scratch = self.data_dir / "cache" / "git" / "scratch"
        here += [path for own in scratch.iterdir() if own.is_dir() for path in own.iterdir()]
        return [str(path) for path in here]

    def wait_until_clean(self) -> None:
        """Return once nothing is left of any request."""
        deadline = time.monotonic() + 10
        while self.scraps():
            assert time.monotonic() < deadline, self.scraps()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    data_dir = tmp_path_factory.mktemp("hostile")
    provision(data_dir, DECLARATION, env=ENV)
    with start_server(data_dir, env=ENV) as server:
        yield Hub(data_dir, server)


@pytest.fixture(autouse=True)
def _nothing_remains(hub: Hub) -> Iterator[None]:
    """After every test: nothing has changed, nothing is left over, and the hub is well."""
    before = hub.state()
    yield
    assert hub.state() == before
    hub.wait_until_clean()
    assert hub.alice.get("/health").status_code == 200
    # At rest it is half of this; what a hundred hostile connections needed at once is not all given back.
    assert memory_bytes(hub.server.pid) < 350_000_000
    assert "Traceback" not in hub.server.log_text(), hub.server.log_text()[-3000:]


# --- broken off -----------------------------------------------------------------------------

Cut = Callable[[Hub, bool], tuple[str, list[str], bytes]]


def _cut_upload(hub: Hub) -> tuple[str, list[str], bytes]:
    data = os.urandom(4 * MIB)
    path, _ = hub.plan(data, "basic")
    return f"PUT {path}", [], data


def _cut_part(hub: Hub) -> tuple[str, list[str], bytes]:
    data = os.urandom(7 * MIB)
    path, _ = hub.plan(data, "basic", "multipart")
    return f"PUT {path}", [], data[:PART_BYTES]


def _cut_commit(hub: Hub) -> tuple[str, list[str], bytes]:
    lines = [{"key": "header", "value": {"summary": "cut"}}]
    for number in range(40):
        text = os.urandom(60_000).hex()
        lines.append(
            {"key": "file", "value": {"path": f"{number}.txt", "content": text, "encoding": "utf-8"}}
        )
    return COMMIT, [AUTH, NDJSON], "\n".join(json.dumps(line) for line in lines).encode()


def _cut_push(hub: Hub) -> tuple[str, list[str], bytes]:
    line = f"{'0' * 40} {'1' * 40} refs/heads/cut\0report-status"
    body = f"{len(line) + 4:04x}{line}0000".encode() + b"PACK\0\0\0\2\0\0\0\7" + os.urandom(3 * MIB)
    return PUSH, [AUTH, PUSH_TYPE], body


def _cut_xorb(hub: Hub) -> tuple[str, list[str], bytes]:
    piece = pack(os.urandom(4 * MIB), random.Random(4))
    line, headers = hub.plan_xorb(piece.name)
    return line, headers, piece.body


@pytest.mark.parametrize("make", [_cut_upload, _cut_part, _cut_commit, _cut_push, _cut_xorb])
@pytest.mark.parametrize("how", ["length", "chunked"])
def test_a_request_that_breaks_off_leaves_nothing(
    hub: Hub, make: Callable[[Hub], tuple[str, list[str], bytes]], how: str
) -> None:
    line, headers, body = make(hub)
    half = body[: len(body) // 2]
    with hub.wire() as wire:
        if how == "length":
            wire.ask(line, *headers, f"Content-Length: {len(body)}", body=half)
        else:
            wire.ask(line, *headers, "Transfer-Encoding: chunked")
            wire.send(f"{len(body):x}\r\n".encode() + half)
        time.sleep(0.2)
    hub.wait_until_clean()
    if line.startswith("PUT"):
        assert not hub.has(hashlib.sha256(body).hexdigest(), len(body))
    if "/v1/xorbs/" in line:
        assert not hub.has_xorb(line.rpartition("/")[2])


def test_a_push_without_reading_its_answer_is_finished_or_not_at_all(hub: Hub) -> None:
    line, headers, body = _cut_push(hub)
    with hub.wire() as wire:
        wire.ask(line, *headers, f"Content-Length: {len(body)}", body=body)
    hub.wait_until_clean()


# --- slow and endless -----------------------------------------------------------------------


def test_crawling_connections_keep_nobody_waiting(hub: Hub) -> None:
    crawlers = [hub.wire() for _ in range(200)]
    try:
        for number, wire in enumerate(crawlers):
            if number % 3 == 0:
                wire.send(b"GET /api/models HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            elif number % 3 == 1:
                wire.ask(COMMIT, AUTH, NDJSON, "Content-Length: 1000", body=b'{"key": "header"')
            else:
                wire.ask(PUSH, AUTH, PUSH_TYPE, "Content-Length: 1000", body=b"00")
        for wire in crawlers:
            wire.send(b"x")
        started = time.monotonic()
        for _ in range(20):
            assert hub.alice.get("/api/models/alice/m").status_code == 200
        assert time.monotonic() - started < 10
    finally:
        for wire in crawlers:
            wire.close()


def test_the_hub_takes_all_files_it_may_open(tmp_path: Path) -> None:
    """1024, the usual soft limit, would be used up by a thousand idle connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Beside what the tests before this one have open still.
    in_use = max(int(each) for each in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 256, hard))
    try:
        with start_server(tmp_path / "data") as server:
            limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    line = next(line for line in limits if line.startswith("Max open files"))
    assert int(line.split()[3]) == (65536 if hard == resource.RLIM_INFINITY else min(65536, hard))


def test_half_xorbs_by_the_dozen_keep_nobody_waiting(hub: Hub) -> None:
    """Neither memory nor threads belong to senders that fall silent in the middle of a chunk."""
    piece = pack(os.urandom(8 * MIB), random.Random(8))
    line, headers = hub.plan_xorb(piece.name)
    half = piece.body[: len(piece.body) // 2 + 1]
    before = memory_bytes(hub.server.pid)
    wires = [hub.wire() for _ in range(60)]
    try:
        for wire in wires:
            wire.ask(line, *headers, f"Content-Length: {len(piece.body)}", body=half)
        started = time.monotonic()
        for _ in range(20):
            assert hub.alice.get("/api/models/alice/m").status_code == 200
        other = pack(os.urandom(MIB), random.Random(1))
        where, who = hub.plan_xorb(other.name)
        with hub.wire() as wire:
            wire.ask(where, *who, f"Content-Length: {len(other.body)}", body=other.body)
            assert wire.status() == 200
        assert time.monotonic() - started < 20
        assert memory_bytes(hub.server.pid) - before < 256 * MIB
    finally:
        for wire in wires:
            wire.close()
    hub.wait_until_clean()
    assert not hub.has_xorb(piece.name)


def test_xorbs_that_expand_without_end(hub: Hub) -> None:
    """Chunks of a few bytes that claim 128 KiB, and frames that hold more than they claim."""
    bomb = lz4.frame.compress(bytes(64 * MIB))
    assert len(bomb) < 262_144 * 2
    claimed = 131_072
    stored = bomb[:262_144]
    chunk = struct.pack("<II", len(stored) << 8, claimed << 8 | 1) + stored
    line, headers = hub.plan_xorb("ab" * 32)
    before = memory_bytes(hub.server.pid, peak=True)
    for _ in range(8):
        with hub.wire() as wire:
            wire.ask(line, *headers, f"Content-Length: {len(chunk)}", body=chunk)
            assert wire.status() == 400
    assert memory_bytes(hub.server.pid, peak=True) - before < 32 * MIB


@pytest.mark.parametrize("what", ["one header", "many headers", "the address", "a trailer", "empty lines"])
def test_an_endless_head_is_cut_off(hub: Hub, what: str) -> None:
    before = memory_bytes(hub.server.pid, peak=True)
    starts = {
        "one header": b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ",
        "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n",
        "the address": b"GET /",
        "a trailer": (
            b"POST /api/validate-yaml HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Long: "
        ),
        "empty lines": b"\r\n",
    }
    more = {"many headers": b"X-A: b\r\n" * 8192, "empty lines": b"\r\n" * 32768}.get(what, b"a" * 65536)
    sent = 0
    with hub.wire() as wire:
        try:
            wire.send(starts[what])
            for _ in range(1600):
                wire.send(more)
                sent += len(more)
        except OSError:
            pass
        assert sent < 32 * MIB, "the hub reads on and on"
    assert memory_bytes(hub.server.pid, peak=True) - before < 32 * MIB


def test_a_large_but_sane_head_is_taken(hub: Hub) -> None:
    with hub.wire() as wire:
        wire.ask("GET /health", *(f"X-Header-{number}: {'v' * 400}" for number in range(60)))
        assert wire.status() == 200


# --- bodies -------------------------------------------------------------------------------


def _bomb(size: int) -> bytes:
    squeezer = zlib.compressobj(9, wbits=31)
    return b"".join([*(squeezer.compress(bytes(MIB)) for _ in range(size // MIB)), squeezer.flush()])


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("/api/models/alice/m/commit/main", {"Content-Type": "application/x-ndjson"}),
        ("/api/models/alice/m/commit/main", {"Content-Type": "application/json"}),
        ("/alice/m.git/git-receive-pack", {"Content-Type": "application/x-git-receive-pack-request"}),
        ("/alice/m.git/git-upload-pack", {"Content-Type": "application/x-git-upload-pack-request"}),
        ("/api/repos/create", {"Content-Type": "application/json"}),
    ],
)
def test_a_gzip_bomb_fizzles(hub: Hub, url: str, headers: dict[str, str]) -> None:
    before = memory_bytes(hub.server.pid, peak=True)

    answer = hub.alice.post(url, content=_bomb(400 * MIB), headers={**headers, "Content-Encoding": "gzip"})

    assert answer.status_code == 413, answer.text[:300]
    assert answer.headers["x-error-message"]
    # The JSON document is the one that is read as a whole, up to its limit.
    assert memory_bytes(hub.server.pid, peak=True) - before < 80 * MIB


def test_a_commit_of_a_hundred_thousand_lines(hub: Hub) -> None:
    lines = [json.dumps({"key": "header", "value": {"summary": "many"}})]
    lines += [
        json.dumps({"key": "file", "value": {"path": f"f/{number}", "content": "", "encoding": "utf-8"}})
        for number in range(100_000)
    ]
    body = "\n".join(lines).encode()

    answer = hub.alice.post(
        "/api/models/alice/m/commit/main", content=body, headers={"Content-Type": "application/x-ndjson"}
    )

    assert answer.status_code == 413, answer.text
    assert "25000" in answer.json()["error"].replace(",", "")


def test_garbage_of_a_hundred_thousand_lines(hub: Hub) -> None:
    rng = random.Random(5)
    body = b"\n".join(rng.randbytes(20).hex().encode() for _ in range(100_000))

    answer = hub.alice.post(
        "/api/models/alice/m/commit/main", content=body, headers={"Content-Type": "application/x-ndjson"}
    )

    assert answer.status_code == 400
    assert "Line 1 " in answer.json()["error"]


def test_deeply_nested_json(hub: Hub) -> None:
    answer = hub.alice.post("/api/repos/create", content=b'{"name":' * 100_000)
    assert answer.status_code == 400
    answer = hub.alice.post("/api/repos/create", content=b'{"name":' + b"[" * 900 + b"]" * 900 + b"}")
    assert answer.status_code == 400


# --- lengths --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: -1"],
        ["Content-Length: abc"],
        ["Content-Length: 1e3"],
        ["Content-Length: 0x10"],
        ["Content-Length: "],
        ["Content-Length: 99999999999999999999999999"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length : 5"],
        [" Content-Length: 5"],
        ["Content-Length: 5\nX: y"],
        ["X\0Y: z"],
        ["X: a\0b"],
    ],
)
def test_a_length_that_makes_no_sense(hub: Hub, headers: list[str]) -> None:
    smuggled = b"0\r\n\r\nDELETE /api/repos/delete HTTP/1.1\r\nHost: x\r\n" + AUTH.encode() + b"\r\n\r\n"
    with hub.wire() as wire:
        wire.ask(COMMIT, AUTH, NDJSON, *headers, body=smuggled)
        answers = wire.read()
    assert answers.startswith(b"HTTP/1.1 400 ") or answers == b"", answers
    assert answers.count(b"HTTP/1.1 ") <= 1, answers


def test_a_body_sent_in_chunks_without_a_length(hub: Hub) -> None:
    data = os.urandom(MIB)
    path, oid = hub.plan(data, "basic")

    sent = hub.alice.put(path, content=iter([data[:1], data[1:700_000], data[700_000:]]))

    assert sent.status_code == 200
    assert "content-length" not in sent.request.headers
    assert hub.has(oid, len(data))


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-5\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabcdefgh\r\n"])
def test_chunks_that_make_no_sense(hub: Hub, chunk: bytes) -> None:
    with hub.wire() as wire:
        wire.ask(COMMIT, AUTH, NDJSON, "Transfer-Encoding: chunked", body=chunk)
        answers = wire.read()
    assert answers.startswith(b"HTTP/1.1 400 ") or answers == b"", answers


@pytest.mark.parametrize("size", [-1, 1])
def test_a_length_that_is_off_by_one(hub: Hub, size: int) -> None:
    data = os.urandom(100_000)
    path, oid = hub.plan(data, "basic")
    body = data[:-1] if size < 0 else data + b"x"

    answer = hub.alice.put(path, content=body)

    assert answer.status_code in (400, 413, 422), answer.text
    assert not hub.has(oid, len(data))
    assert hub.alice.put(path, content=data).status_code == 200
    assert hub.has(oid, len(data))


def test_requests_in_a_pipeline_are_answered_in_order(hub: Hub) -> None:
    with hub.wire() as wire:
        for number in range(20):
            wire.ask(f"GET /api/models/alice/m/revision/main?number={number}", AUTH)
            wire.ask(f"GET /api/models/alice/missing{number}", AUTH, "Content-Length: 5", body=b"01234")
        wire.ask("GET /health", "Connection: close")
        answers = wire.read()
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answers)
    assert statuses == [b"200", b"404"] * 20 + [b"200"]


def test_a_refused_body_is_no_request(hub: Hub) -> None:
    """What follows an answer that came before its body was read must not be taken for the next request."""
    body = b"GET /secret HTTP/1.1\r\nHost: x\r\n\r\n" * 3000
    with hub.wire() as wire:
        wire.ask(
            "POST /api/models/alice/missing/commit/main", NDJSON, f"Content-Length: {len(body)}", body=body
        )
        wire.ask("GET /health", "Connection: close")
        answers = wire.read()
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answers)
    assert statuses == [b"401", b"200"]


@pytest.mark.parametrize(
    "line",
    [
        "GET /alice/m/resolve/main/../../../../etc/passwd",
        "GET /alice/m/resolve/main/..%2f..%2f..%2fetc%2fpasswd",
        "GET /alice/m/resolve/main/%00",
        "GET /alice/m/resolve/%ff/a",
        "GET /static/..%2f..%2fapp.py",
        "GET /static/%2e%2e/%2e%2e/app.py",
        "GET //etc/passwd",
        "GET /" + "a/" * 5000,
        "GET /api/models?" + "a=b&" * 5000,
        "GET /api/models?limit=" + "9" * 5000,
        "GET /api/models?%ff=1",
        "BREW /api/models",
        "TRACE /",
        "CONNECT example.org:80",
        "GET http://example.org/api/models/alice/m",
        "OPTIONS *",
    ],
)
def test_strange_first_lines(hub: Hub, line: str) -> None:
    with hub.wire() as wire:
        wire.ask(line, "Connection: close")
        answers = wire.read()
    assert b"root:" not in answers
    status = int(answers.split()[1])
    assert status in (200, 400, 401, 404, 405, 414, 431, 501), answers[:300]
    assert status != 200 or "example.org" in line


def test_waiting_for_continue(hub: Hub) -> None:
    data = os.urandom(100_000)
    path, oid = hub.plan(data, "basic")
    with hub.wire() as wire:
        wire.ask(f"PUT {path}", f"Content-Length: {len(data)}", "Expect: 100-continue")
        assert wire.read(until=b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        wire.send(data)
        assert wire.status() == 200
    assert hub.has(oid, len(data))


def test_http_1_0(hub: Hub) -> None:
    with hub.wire() as wire:
        wire.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert wire.read().startswith(b"HTTP/1.1 200 ")


def test_not_http(hub: Hub) -> None:
    for first in (
        b"\x16\x03\x01\x02\0",
        b"SSH-2.0-x\r\n",
        os.urandom(4096),
        b"GET\r\n\r\n",
        gzip.compress(b"x"),
    ):
        with hub.wire() as wire:
            wire.send(first + b"\r\n\r\n")
            got = wire.read()
        assert got == b"" or got.startswith(b"HTTP/1.1 400 ")
