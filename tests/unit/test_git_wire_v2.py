"""Listing refs in protocol version 2, byte for byte."""

from __future__ import annotations

import io

import pytest

from openhood.base.errors import BadRequest
from openhood.base.names import MAIN, Oid
from openhood.engines.git.snapshot import SnapshotRef
from openhood.engines.git.wire import DELIM, FLUSH, PktReader, pkt
from openhood.engines.git.wire_v2 import LsRefs, ls_refs_answer, parse_ls_refs

A, B = Oid("a" * 40), Oid("b" * 40)
REFS = [SnapshotRef(MAIN, A, A), SnapshotRef("refs/tags/v1", B, A)]


def parse(body: bytes) -> LsRefs | None:
    return parse_ls_refs(PktReader(io.BytesIO(body)))


def test_a_request_as_git_sends_it() -> None:
    body = pkt("command=ls-refs\n") + pkt("agent=git/2.39.5") + pkt("object-format=sha1") + DELIM
    body += pkt("peel\n") + pkt("symrefs\n") + pkt("unborn\n")
    body += pkt("ref-prefix refs/heads/\n") + pkt("ref-prefix HEAD\n") + FLUSH
    assert parse(body) == LsRefs(peel=True, symrefs=True, unborn=True, prefixes=("refs/heads/", "HEAD"))


@pytest.mark.parametrize(
    "body",
    [
        pkt("command=fetch") + DELIM + pkt("done") + FLUSH,
        pkt("command=ls-refs") + pkt("object-format=sha256") + FLUSH,
        FLUSH,
        b"",
    ],
)
def test_other_commands_are_left_to_git(body: bytes) -> None:
    assert parse(body) is None


@pytest.mark.parametrize(
    "body",
    [
        pkt("command=ls-refs"),
        pkt("command=ls-refs") + DELIM + pkt("peel"),
        pkt("command=ls-refs") + DELIM + pkt("what is this") + FLUSH,
        pkt("command=ls-refs") + b"0003",
        b"00",
    ],
)
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body)


def test_answers() -> None:
    everything = LsRefs(peel=True, symrefs=True, unborn=True, prefixes=())
    assert ls_refs_answer(everything, REFS, head=MAIN) == (
        pkt(f"{A} HEAD symref-target:{MAIN}\n")
        + pkt(f"{A} {MAIN}\n")
        + pkt(f"{B} refs/tags/v1 peeled:{A}\n")
        + FLUSH
    )
    tags = LsRefs(peel=False, symrefs=True, unborn=True, prefixes=("refs/tags/",))
    assert ls_refs_answer(tags, REFS, head=MAIN) == pkt(f"{B} refs/tags/v1\n") + FLUSH
    assert ls_refs_answer(everything, [], head=MAIN) == pkt(f"unborn HEAD symref-target:{MAIN}\n") + FLUSH
    silent = LsRefs(peel=True, symrefs=True, unborn=False, prefixes=())
    assert ls_refs_answer(silent, [], head=MAIN) == FLUSH


def test_what_a_client_named_on_purpose() -> None:
    assert LsRefs(False, False, False, ("refs/pr/7",)).asks_below("refs/pr/")
    assert not LsRefs(False, False, False, ("refs/",)).asks_below("refs/pr/")
    assert not LsRefs(False, False, False, ()).asks_below("refs/pr/")
