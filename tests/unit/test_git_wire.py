"""pkt-lines and the push protocol, byte by byte and against the git program."""

from __future__ import annotations

import io
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from openhood.base.errors import BadRequest
from openhood.base.names import ZERO_OID, Oid
from openhood.engines.git import wire
from openhood.engines.git.wire import FLUSH, Marker, PktReader, pkt
from unit.git_judge import ENV, Judge

A, B = Oid("a" * 40), Oid("b" * 40)


def parse(raw: bytes) -> wire.PushRequest:
    return wire.parse_push_commands(PktReader(io.BytesIO(raw)))


def test_pkt() -> None:
    assert pkt("hi\n") == b"0007hi\n"
    assert pkt(b"") == b"0004"
    with pytest.raises(ValueError, match="65516"):
        pkt(b"x" * 65517)


def test_reader_survives_short_reads_and_stops_at_the_line() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(1, size or 0))

    stream = Trickle(pkt("a") + FLUSH + wire.DELIM + wire.RESPONSE_END + pkt("") + b"PACK")
    reader = PktReader(stream)
    got = [reader.read() for _ in range(5)]
    assert got == [b"a", Marker.FLUSH, Marker.DELIM, Marker.RESPONSE_END, b""]
    assert stream.getvalue()[stream.tell() :] == b"PACK"
    assert PktReader(io.BytesIO()).read() is Marker.END


@pytest.mark.parametrize(
    "raw", [b"00", b"zzzz", b"0003", b"fff1" + b"x" * 70000, b"0009ab", b"+005a", b"1_00", b" 005"]
)
def test_reader_refuses_garbage(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        PktReader(io.BytesIO(raw)).read()


def test_push_commands() -> None:
    raw = (
        pkt(f"shallow {A}")
        + pkt(f"{ZERO_OID} {A} refs/heads/n\xe9\0 report-status  side-band-64k push-options agent=git/2\n")
        + pkt(f"{A} {ZERO_OID} refs/tags/v1\n")
        + FLUSH
        + pkt("one=1\n")
        + FLUSH
        + b"PACK..."
    )
    stream = io.BytesIO(raw)
    push = wire.parse_push_commands(PktReader(stream))
    assert [(c.name, c.is_create, c.is_delete) for c in push.commands] == [
        ("refs/heads/n\xe9", True, False),
        ("refs/tags/v1", False, True),
    ]
    assert push.capabilities == {"report-status", "side-band-64k", "push-options", "agent=git/2"}
    assert push.push_options == ("one=1",)
    assert push.pack_follows
    assert stream.read() == b"PACK..."


def test_deletions_bring_no_pack_and_a_probe_brings_nothing() -> None:
    assert not parse(pkt(f"{A} {ZERO_OID} refs/heads/a\0report-status") + FLUSH).pack_follows
    assert parse(FLUSH) == wire.PushRequest((), frozenset(), (), False)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        pkt(f"{A} {B} refs/heads/a\0"),
        pkt("push-cert\0x") + FLUSH,
        pkt(f"{A} {B}") + FLUSH,
        pkt(f"{A} {B} refs/heads/a b") + FLUSH,
        pkt(f"{A} {B} refs/heads/a\tb") + FLUSH,
        pkt(f"{A.upper()} {B} refs/heads/a") + FLUSH,
        pkt(f"{A} {B} refs/heads/" + "x" * 1000) + FLUSH,
        pkt(f"{A} {B} ".encode() + b"refs/heads/\xff") + FLUSH,
        pkt(f"{A} {B} refs/heads/a") * 2 + FLUSH,
        b"".join(pkt(f"{A} {B} refs/heads/{n}") for n in range(10_001)) + FLUSH,
        pkt(f"{A} {B} refs/heads/a\0push-options") + FLUSH + pkt("x") * 101 + FLUSH,
        pkt(f"{A} {B} refs/heads/a") + wire.DELIM,
    ],
)
def test_bad_pushes(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(raw)


def test_advertisement() -> None:
    body = wire.advertise_receive(
        [("refs/heads/main", A), ("refs/tags/v1", B)], ["report-status", "atomic"], "hub/1"
    )
    assert body.startswith(b"001f# service=git-receive-pack\n0000")
    assert body.endswith(pkt(f"{B} refs/tags/v1\n") + FLUSH)
    first = body[35:].split(b"\n")[0]
    assert first[4:] == f"{A} refs/heads/main\0report-status atomic object-format=sha1 agent=hub/1".encode()
    empty = wire.advertise_receive([], ["atomic"], "hub/1")
    assert f"{ZERO_OID} capabilities^{{}}\0atomic".encode() in empty


def test_report_status() -> None:
    results = [("refs/heads/a", None), ("refs/heads/b", "not\nallowed")]
    plain = wire.report_status(None, results, sideband=False, messages=["ignored"])
    assert (
        plain == pkt("unpack ok\n") + pkt("ok refs/heads/a\n") + pkt("ng refs/heads/b not allowed\n") + FLUSH
    )
    banded = wire.report_status("bad pack", results, sideband=True, messages=["hello\nworld\x1b[31m"])
    reader = PktReader(io.BytesIO(banded))
    lines = list(iter(reader.read, Marker.FLUSH))
    assert lines[0] == b"\x02hello\nworld[31m\n"
    assert isinstance(lines[1], bytes)
    assert lines[1].startswith(b"\x01" + pkt("unpack bad pack\n"))
    assert lines[1].endswith(FLUSH)


def test_long_reports_are_cut_into_bands() -> None:
    results = [(f"refs/heads/{number:050}", None) for number in range(3000)]
    reader = PktReader(io.BytesIO(wire.report_status(None, results, sideband=True, messages=[])))
    body = b"".join(line[1:] for line in iter(reader.read, Marker.FLUSH) if isinstance(line, bytes))
    assert body == wire.report_status(None, results, sideband=False, messages=[])


def test_errors() -> None:
    assert wire.error_pkt("no\nsuch repo") == pkt("ERR no such repo\n")
    assert wire.service_header("git-upload-pack").endswith(b"git-upload-pack\n0000")


def test_git_pushes_through_these_pieces(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "client")
    judge.commit("one", {"a": b"1"})
    taken: list[tuple[wire.PushRequest, bytes]] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(
                wire.advertise_receive([], ["report-status", "side-band-64k", "push-options"], "hub/1")
            )

        def do_POST(self) -> None:
            stream = io.BytesIO(self.rfile.read(int(self.headers["Content-Length"])))
            push = wire.parse_push_commands(PktReader(stream))
            taken.append((push, stream.read()))
            results = [(c.name, "no such branch here" if "bad" in c.name else None) for c in push.commands]
            banded = "side-band-64k" in push.capabilities
            self.answer(wire.report_status(None, results, sideband=banded, messages=["Hello from the hub"]))

        def answer(self, body: bytes) -> None:
            service = "result" if self.command == "POST" else "advertisement"
            self.send_response(200)
            self.send_header("Content-Type", f"application/x-git-receive-pack-{service}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/r"
        done = subprocess.run(
            ["git", "push", "--porcelain", "-o", "x=y", url, "main", "main:bad"],
            cwd=judge.path, env=ENV, capture_output=True, text=True, check=False,
        )  # fmt: skip
        server.shutdown()
    assert "remote: Hello from the hub" in done.stderr
    assert "*\trefs/heads/main:refs/heads/main\t[new branch]" in done.stdout
    assert "!\trefs/heads/main:refs/heads/bad\t[remote rejected] (no such branch here)" in done.stdout
    push, pack = taken[-1]
    assert {command.name for command in push.commands} == {"refs/heads/main", "refs/heads/bad"}
    assert push.push_options == ("x=y",)
    assert pack.startswith(b"PACK")
