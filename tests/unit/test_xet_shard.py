"""Shards: real messages are understood, every lie about form is refused, answers are what clients expect."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openhood.base.errors import BadShard
from openhood.engines.xet.hashing import (
    chunk_digest,
    from_text,
    keyed_digest,
    range_proof,
    swap_words,
    to_text,
)
from openhood.engines.xet.shard import (
    FOOTER_BYTES,
    HEADER_BYTES,
    RECORD_BYTES,
    Shard,
    build_answer,
    parse_shard,
)
from openhood.engines.xet.terms import Term
from openhood.engines.xet.xorb import MAX_CHUNKS, XorbBuilder, XorbIndex

CORPUS = Path(__file__).parent / "corpus" / "shard"
TAG = bytes.fromhex("4846 5265 706f 4d65 7461 4461 7461 0055 6967 456a 7b81 5783 a5bd d95c cdd1 4aa9")
END = b"\xff" * 32 + bytes(16)
PROOFS, SHA256 = 1 << 31, 1 << 30


def digest(number: int) -> bytes:
    return chunk_digest(b"%d" % number)


def record(key: bytes, *numbers: int) -> bytes:
    return struct.pack("<32s4I", key, *numbers, *[0] * (4 - len(numbers)))


@dataclass
class File:
    """A file record whose parts a test may get wrong."""

    name: bytes = digest(1)
    terms: list[bytes] = field(default_factory=lambda: [record(digest(2), 0, 3000, 0, 3)])
    flags: int = PROOFS | SHA256
    count: int | None = None

    def encode(self) -> bytes:
        count = len(self.terms) if self.count is None else self.count
        parts = [record(self.name, self.flags, count), *self.terms]
        if self.flags & PROOFS:
            parts += [record(digest(100 + number)) for number in range(len(self.terms))]
        if self.flags & SHA256:
            parts.append(record(swap_words(bytes(range(32)))))
        return b"".join(parts)


@dataclass
class Xorb:
    """A xorb record, likewise."""

    name: bytes = digest(2)
    chunks: list[bytes] = field(
        default_factory=lambda: [record(digest(10 + each), 1000 * each, 1000) for each in range(3)]
    )
    count: int | None = None
    raw_bytes: int = 3000

    def encode(self) -> bytes:
        count = len(self.chunks) if self.count is None else self.count
        return record(self.name, 0, count, self.raw_bytes, 2000) + b"".join(self.chunks)


def encode(
    files: Iterable[File] = (File(),),
    xorbs: Iterable[Xorb] = (Xorb(),),
    *,
    has_footer: bool = False,
    tables: bytes = b"",
    footer: dict[int, int] | None = None,
    tag: bytes = TAG,
    version: int = 2,
    footer_bytes: int | None = None,
) -> bytes:
    """A message; ``footer`` replaces words of the footer by offset."""
    size = FOOTER_BYTES if has_footer else 0
    head = struct.pack("<32sQQ", tag, version, size if footer_bytes is None else footer_bytes)
    file_section = b"".join(each.encode() for each in files) + END
    xorb_section = b"".join(each.encode() for each in xorbs) + END
    body = head + file_section + xorb_section + tables
    if not has_footer:
        return body
    words = bytearray(FOOTER_BYTES)
    words_at = {0: 1, 8: 48, 16: 48 + len(file_section), 192: len(body)} | (footer or {})
    for at, value in words_at.items():
        struct.pack_into("<Q", words, at, value)
    return body + bytes(words)


# --- what is said ------------------------------------------------------------------------------


def test_a_message_says_what_was_put_in() -> None:
    data = encode([File(), File(digest(5), [record(digest(6), 0, 7, 8, 9), record(digest(2), 0, 10, 1, 2)])])
    shard = parse_shard(data)
    first, second = shard.files
    assert (first.digest, list(first.terms)) == (digest(1), [Term(digest(2), 3000, 0, 3)])
    assert first.proofs is not None
    assert list(first.proofs) == [digest(100)]
    assert first.sha256 == bytes(range(32)).hex()
    assert list(second.terms) == [Term(digest(6), 7, 8, 9), Term(digest(2), 10, 1, 2)]
    assert second.terms[1] == Term(digest(2), 10, 1, 2)
    assert second.terms[-2:] == list(second.terms)
    (xorb,) = shard.xorbs
    assert (xorb.digest, xorb.raw_bytes, xorb.stored_bytes, xorb.chunk_count) == (digest(2), 3000, 2000, 3)
    assert list(xorb.chunks) == [(digest(10 + each), 1000 * each, 1000, 0) for each in range(3)]
    assert len(shard.files) == 2
    assert [each.digest for each in shard.files[:5]] == [digest(1), digest(5)]
    assert shard.files[-1].digest == digest(5)
    assert shard.xorbs[0] == xorb
    with pytest.raises(IndexError):
        second.terms[2]


def test_the_last_word_of_the_hash_or_a_flag_make_a_candidate() -> None:
    eligible = bytes(24) + struct.pack("<Q", 7 << 10)
    chunks = [
        record(digest(10), 0, 5),
        record(digest(11), 5, 5, 1 << 31),
        record(eligible, 10, 5),
        record(digest(12), 15, 5, 0x7FFFFFFF),
    ]
    (xorb,) = parse_shard(encode(xorbs=[Xorb(chunks=chunks, raw_bytes=20)])).xorbs
    assert xorb.candidates() == [digest(11), eligible]


def test_a_footer_and_tables_change_nothing() -> None:
    plain = parse_shard(encode())
    for data in (encode(has_footer=True), encode(has_footer=True, tables=bytes(12 * 5 + 16))):
        shard = parse_shard(data)
        assert [each.digest for each in shard.files] == [each.digest for each in plain.files]
        assert [list(each.chunks) for each in shard.xorbs] == [list(each.chunks) for each in plain.xorbs]


def test_an_empty_message_and_an_empty_file() -> None:
    assert not parse_shard(encode([], [])).files
    empty = File(bytes(32), [])
    (file,) = parse_shard(encode([empty])).files
    assert (list(file.terms), file.proofs) == ([], file.proofs)
    assert file.proofs is not None
    assert not file.proofs
    assert parse_shard(encode([File(flags=0)])).files[0].proofs is None
    assert parse_shard(encode([File(flags=PROOFS)])).files[0].sha256 is None


REAL = {
    "hf_xet_sent.bin": "as hf_xet 1.8.0 sends it: without a footer",
    "hf_xet_uploaded.bin": "as hf_xet 1.8.0 keeps it where it uploads into a directory: with a footer and tables",
    "hf_xet_cached.bin": "as hf_xet 1.8.0 keeps it in its cache",
}


@pytest.mark.parametrize("name", REAL)
def test_real_messages(name: str) -> None:
    shard = parse_shard((CORPUS / name).read_bytes())
    files = {to_text(each.digest): each for each in shard.files}
    assert set(files) == {
        "0" * 64,
        "656bf853ceecbb6d0cce6f10c79f4a8789c137685eab8053117405f36ebe488d",
        "6e9334f07bff1e4991524a1e61c7aa5f95dc34df865b7a4f18fc14e917a13392",
        "738ddbe3949ac3d2c2140006dc06e3d1f3de16a059e779a48092b27331941641",
    }
    assert files["0" * 64].sha256 is None
    small = files["656bf853ceecbb6d0cce6f10c79f4a8789c137685eab8053117405f36ebe488d"]
    assert small.sha256 == "025f11498c1cce0dbea1aa8bedc0f5bf48cf8b8f04776106c2835e303261de83"
    (xorb,) = shard.xorbs
    assert (xorb.raw_bytes, xorb.chunk_count) == (2_300_100, 36)
    digests = [chunk[0] for chunk in xorb.chunks]
    for file in files.values():
        assert file.proofs is not None
        for term, proof in zip(file.terms, file.proofs, strict=True):
            assert term.xorb == xorb.digest
            assert range_proof(b"".join(digests[term.first : term.end])) == proof


# --- lies about form -----------------------------------------------------------------------------

LIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "header"),
    "half a header": (encode()[:40], "header"),
    "another tag": (encode(tag=bytes(32)), "tag"),
    "another version": (encode(version=3), "version 3"),
    "another footer length": (encode(footer_bytes=100), "not 100"),
    "a footer that is not there": (
        encode([], [], footer_bytes=FOOTER_BYTES)[: HEADER_BYTES + 100],
        "before its footer",
    ),
    "bytes after the end": (encode() + b"x", "1 bytes follow"),
    "no end of the files": (encode()[: HEADER_BYTES + 4 * RECORD_BYTES], "end of its file section"),
    "no end of the xorbs": (encode()[:-RECORD_BYTES], "end of its xorb section"),
    "half an end": (encode()[:-1], "end of its xorb section"),
    "more terms than bytes": (encode([File(count=0xFFFFFFFF)]), "4294967295 terms"),
    "one term too many": (encode([File(count=7)], []), "7 terms"),
    "more chunks than bytes": (encode(xorbs=[Xorb(count=8000)]), "8000 chunks"),
    "more chunks than a xorb": (encode(xorbs=[Xorb(count=MAX_CHUNKS + 1)]), "8193 chunks"),
    "a xorb without chunks": (encode(xorbs=[Xorb(chunks=[], raw_bytes=0)]), "0 chunks"),
    "a xorb without a name": (encode(xorbs=[Xorb(name=bytes(32))]), "zeros"),
    "a file without terms": (encode([File(terms=[])]), "empty file"),
    "terms of the empty file": (encode([File(name=bytes(32))]), "empty file"),
    "proofs for some": (encode([File(), File(flags=SHA256)]), "with proofs or none"),
    "an empty term": (encode([File(terms=[record(digest(2), 0, 3000, 3, 3)])]), "no chunk"),
    "a backward term": (encode([File(terms=[record(digest(2), 0, 3000, 3, 1)])]), "no chunk"),
    "a term beyond": (encode([File(terms=[record(digest(2), 0, 3000, 3, MAX_CHUNKS + 1)])]), "beyond"),
    "a term without bytes": (encode([File(terms=[record(digest(2), 0, 0, 0, 3)])]), "0 raw bytes"),
    "a term too long": (encode([File(terms=[record(digest(2), 0, (64 << 20) + 1, 0, 3)])]), "more than"),
    "a term of zeros": (encode([File(terms=[record(bytes(32), 0, 3000, 0, 3)])]), "all zeros or all ones"),
    "a term of ones": (encode([File(terms=[record(b"\xff" * 32, 0, 3000, 0, 3)])]), "all zeros or all ones"),
    "a chunk of zeros": (encode(xorbs=[Xorb(chunks=[record(bytes(32), 0, 3000)])]), "all zeros or all ones"),
    "a chunk of ones": (
        encode(xorbs=[Xorb(chunks=[record(b"\xff" * 32, 0, 3000)])]),
        "all zeros or all ones",
    ),
    "a chunk without bytes": (
        encode(xorbs=[Xorb(chunks=[record(digest(1), 0, 3000), record(digest(2), 3000, 0)])]),
        "0 raw bytes",
    ),
    "a chunk too long": (
        encode(xorbs=[Xorb(chunks=[record(digest(1), 0, 131_073)], raw_bytes=131_073)]),
        "more than 131072",
    ),
    "a gap": (
        encode(xorbs=[Xorb(chunks=[record(digest(1), 0, 1000), record(digest(2), 1001, 1999)])]),
        "follow one another",
    ),
    "a late start": (
        encode(xorbs=[Xorb(), Xorb(chunks=[record(digest(1), 3000, 3000)])]),
        "follow one another",
    ),
    "a wrong length": (encode(xorbs=[Xorb(raw_bytes=3001)]), "as long as its chunks"),
    "too long a xorb": (
        encode(
            xorbs=[
                Xorb(
                    chunks=[record(digest(1), 131_072 * each, 131_072) for each in range(513)],
                    raw_bytes=513 * 131_072,
                )
            ]
        ),
        "longer than",
    ),
    "another footer version": (encode(has_footer=True, footer={0: 2}), "version 2"),
    "files elsewhere": (encode(has_footer=True, footer={8: 96}), "contradicts"),
    "xorbs elsewhere": (encode(has_footer=True, footer={16: 48}), "contradicts"),
    "the footer elsewhere": (encode(has_footer=True, footer={192: 0}), "contradicts"),
}


@pytest.mark.parametrize("what", LIES)
def test_lies_about_form(what: str) -> None:
    data, message = LIES[what]
    with pytest.raises(BadShard) as refused:
        parse_shard(data)
    assert message in refused.value.message


# --- fuzzing -------------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.iterdir())]


def look_at_everything(shard: Shard) -> None:
    for file in shard.files:
        assert file.proofs is None or len(file.proofs) == len(file.terms)
        assert all(0 <= term.first < term.end <= MAX_CHUNKS for term in file.terms)
        assert file.sha256 is None or len(file.sha256) == 64
    for xorb in shard.xorbs:
        assert xorb.raw_bytes == sum(chunk[2] for chunk in xorb.chunks)
        assert len(xorb.candidates()) <= xorb.chunk_count


def parse_or_refuse(data: bytes) -> None:
    try:
        shard = parse_shard(data)
    except BadShard:
        return
    look_at_everything(shard)


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_corpus(path: Path) -> None:
    """Every message that once was worth keeping: it is understood or refused, whole and cut anywhere."""
    data = path.read_bytes()
    parse_or_refuse(data)
    for end in range(0, len(data), 7):
        parse_or_refuse(data[:end])


@given(
    seed=st.sampled_from(seeds()),
    changes=st.lists(
        st.tuples(
            st.integers(0, 1 << 16),
            st.one_of(
                st.binary(min_size=1, max_size=8),
                st.sampled_from([bytes(32), b"\xff" * 32, b"\xff\xff\xff\xff", struct.pack("<I", 1 << 31)]),
            ),
        ),
        max_size=6,
    ),
    cut=st.integers(0, 4000),
    more=st.binary(max_size=250),
)
@settings(max_examples=300, deadline=None)
def test_changed_messages(seed: bytes, changes: list[tuple[int, bytes]], cut: int, more: bytes) -> None:
    data = bytearray(seed)
    for place, value in changes:
        at = place % len(data)
        data[at : at + len(value)] = value
    if cut < len(data):
        data = data[:cut] + more
    parse_or_refuse(bytes(data))


@given(
    body=st.lists(
        st.tuples(
            st.sampled_from([digest(1), digest(2), bytes(32), b"\xff" * 32]),
            st.lists(
                st.sampled_from(
                    [0, 1, 2, 3, 48, 1000, 8192, 131_072, 1 << 26, 1 << 30, 1 << 31, (1 << 32) - 1]
                ),
                min_size=4,
                max_size=4,
            ),
        ),
        max_size=20,
    ),
    has_footer=st.booleans(),
)
@example(body=[(b"\xff" * 32, [0, 0, 0, 0])] * 2, has_footer=False)
@settings(max_examples=300, deadline=None)
def test_any_records(body: list[tuple[bytes, list[int]]], has_footer: bool) -> None:
    records = b"".join(record(key, *numbers) for key, numbers in body)
    head = struct.pack("<32sQQ", TAG, 2, FOOTER_BYTES if has_footer else 0)
    parse_or_refuse(head + records + (bytes(FOOTER_BYTES) if has_footer else b""))


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_bytes(data: bytes) -> None:
    parse_or_refuse(data)
    parse_or_refuse(encode()[:HEADER_BYTES] + data)


FULL_BYTES = 8 << 20


def full_of_terms() -> bytes:
    count = FULL_BYTES // RECORD_BYTES // 2 - 4
    head = record(digest(1), PROOFS, count)
    return (
        struct.pack("<32sQQ", TAG, 2, 0) + head + record(digest(2), 0, 3000, 0, 3) * (2 * count) + END + END
    )


def full_of_files() -> bytes:
    file = File().encode()
    return struct.pack("<32sQQ", TAG, 2, 0) + file * (FULL_BYTES // len(file)) + END + END


def full_of_chunks() -> bytes:
    chunks = [record(digest(each), 8000 * each, 8000) for each in range(MAX_CHUNKS)]
    xorb = Xorb(chunks=chunks, raw_bytes=8000 * MAX_CHUNKS).encode()
    return struct.pack("<32sQQ", TAG, 2, 0) + END + xorb * (FULL_BYTES // len(xorb)) + END


def full_of_xorbs() -> bytes:
    xorb = Xorb(chunks=[record(digest(3), 0, 8000)], raw_bytes=8000).encode()
    return struct.pack("<32sQQ", TAG, 2, 0) + END + xorb * (FULL_BYTES // len(xorb)) + END


@pytest.mark.parametrize("make", [full_of_terms, full_of_files, full_of_chunks, full_of_xorbs])
def test_memory_is_bounded_by_the_length(make: Callable[[], bytes]) -> None:
    data = make()
    tracemalloc.start()
    try:
        shard = parse_shard(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(shard.files) + len(shard.xorbs) > 0
    assert peak < 2 * FULL_BYTES


# --- answers -------------------------------------------------------------------------------------


def make_xorb(*sizes: int) -> XorbIndex:
    builder = XorbBuilder()
    for number, size in enumerate(sizes):
        raw = bytes([number + 1]) * size
        assert builder.add(raw, chunk_digest(raw))
    return builder.finish()[1]


def test_xorbs_agree_with_what_is_stored() -> None:
    index = make_xorb(1000, 1, 131_072)
    chunks = [
        record(index.digest_of(each), index.raw_start(each), index.raw_size(each, each + 1))
        for each in range(3)
    ]
    (same,) = parse_shard(encode(xorbs=[Xorb(index.digest, chunks, raw_bytes=index.raw_bytes)])).xorbs
    assert same.agrees_with(index)
    fewer = make_xorb(1000, 1)
    assert not same.agrees_with(fewer)
    assert not same.agrees_with(make_xorb(999, 2, 131_072))
    chunks[1] = record(digest(1), 1000, 1)
    (other,) = parse_shard(encode(xorbs=[Xorb(index.digest, chunks, raw_bytes=index.raw_bytes)])).xorbs
    assert not other.agrees_with(index)


def test_an_answer_hides_the_chunks() -> None:
    xorbs = [make_xorb(1000, 5, 70_000), make_xorb(9)]
    key = bytes(range(32))
    answer = build_answer(xorbs, key=key, expires_at=2_000_000_000, created_at=1_900_000_000)
    shard = parse_shard(answer)
    assert not shard.files
    for said, index in zip(shard.xorbs, xorbs, strict=True):
        assert (said.digest, said.raw_bytes, said.stored_bytes) == (
            index.digest,
            index.raw_bytes,
            index.stored_bytes,
        )
        for number, (shown, start, size, flags) in enumerate(said.chunks):
            assert shown == keyed_digest(index.digest_of(number), key=key)
            assert (start, size, flags) == (index.raw_start(number), index.raw_size(number, number + 1), 0)
    assert not any(xorbs[0].digest_of(number) in answer for number in range(3))


def test_the_footer_of_an_answer() -> None:
    """hf_xet reads the last 200 bytes, and takes what lies between the second and the third offset for the xorbs."""
    index = make_xorb(1000, 5)
    key = b"k" * 32
    answer = build_answer([index], key=key, expires_at=2_000_000_000, created_at=1_900_000_000)
    at = len(answer) - FOOTER_BYTES
    words = struct.unpack("<9Q32sQQ48xQQQQ", answer[at:])
    assert words[:3] == (1, HEADER_BYTES, HEADER_BYTES + RECORD_BYTES)
    assert words[3:9] == (at, 0) * 3
    assert words[9:12] == (key, 1_900_000_000, 2_000_000_000)
    assert words[12:] == (index.stored_bytes, 0, index.raw_bytes, at)
    assert answer[words[2] : words[3]].endswith(END)
    assert (len(answer) - HEADER_BYTES - FOOTER_BYTES) // RECORD_BYTES == 1 + 1 + 2 + 1


def test_an_answer_without_xorbs() -> None:
    assert not parse_shard(build_answer([], key=bytes(32), expires_at=0, created_at=0)).xorbs


def test_text_and_digest_of_a_sha256_differ() -> None:
    """A SHA-256 lies in a shard with its words swapped, as all hashes do."""
    assert from_text(to_text(bytes(range(32)))) == bytes(range(32))
    assert swap_words(bytes(range(32))).hex() == to_text(bytes(range(32)))
