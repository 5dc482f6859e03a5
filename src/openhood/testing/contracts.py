"""The conformance suite of each port: what every implementation, a stranger's too, has to pass.

A suite is a class to inherit from in a pytest module; the subclass says how to open the implementation. What
only one implementation promises is tested next to it.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openhood.base.errors import Conflict, HubError, ObjectMissing
from openhood.base.ports import ObjectStore
from openhood.testing.presigned import PresignedContract

_MIB = 1024 * 1024
_PART_BYTES = 5 * _MIB
"""The smallest that every S3 takes for a part that is not the last."""

BAD_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    "..",
    "../a",
    "a/../b",
    "a..b",
    ".",
    ".tmp/a",
    "a/.b",
    "a\\b",
    "a\nb",
    "a\0b",
    "a b",
    "a?b",
    "a%2fb",
    "ä",
    "a" * 256,
    "a/" * 500 + "a",
]


class ObjectStoreContract(PresignedContract):
    """What every `ObjectStore` does. Override the fixture ``open_again``."""

    @pytest.fixture
    def open_again(self) -> Callable[[], ObjectStore]:
        """A function that opens the same, at first empty, store: one more instance per call."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_again: Callable[[], ObjectStore]) -> Iterator[ObjectStore]:
        """The store, empty."""
        store = open_again()
        yield store
        store.close()

    @pytest.mark.parametrize("data", [b"", b"\x00", b"hello\r\n\xff", bytes(range(256)) * 4096])
    def test_put_and_get(self, store: ObjectStore, data: bytes) -> None:
        store.put("a/b/c", data)
        assert store.get("a/b/c") == data
        assert type(store.get("a/b/c")) is bytes
        assert store.size("a/b/c") == len(data)
        assert b"".join(store.stream("a/b/c", chunk_bytes=1000)) == data

    @pytest.mark.parametrize(
        "key", ["a", "_x", "lfs/ab/cd/0123-4.bin", "A.b-c_d", "v!$&'()+,:;=@-x", "a" * 255]
    )
    def test_keys(self, store: ObjectStore, open_again: Callable[[], ObjectStore], key: str) -> None:
        store.put(key, key.encode())
        again = open_again()
        assert again.get(key) == key.encode()
        assert [each.key for each in again.list("")] == [key]
        again.delete(key)
        assert again.size(key) is None
        again.close()

    def test_a_put_replaces(self, store: ObjectStore) -> None:
        store.put("a/b", b"first, and longer")
        store.put("a/b", b"second")
        assert store.get("a/b") == b"second"
        assert [(each.key, each.size_bytes) for each in store.list("")] == [("a/b", 6)]

    def test_put_file(self, store: ObjectStore, tmp_path: Path) -> None:
        path = tmp_path / "source"
        path.write_bytes(b"12345" * 1000)
        store.put("a/file", b"earlier")
        store.put_file("a/file", path)
        store.put_file("a/file", path)
        store.put_file("a/other", path)
        assert path.read_bytes() == b"12345" * 1000
        path.unlink()
        assert store.get("a/file") == store.get("a/other") == b"12345" * 1000

    def test_put_file_of_many_parts_and_of_none(self, store: ObjectStore, tmp_path: Path) -> None:
        path = tmp_path / "source"
        digest = _write_pattern(path, 40)
        store.put_file("a/big", path)
        assert _digest(store, "a/big") == (digest, 40 * _MIB)
        (tmp_path / "empty").touch()
        store.put_file("a/empty", tmp_path / "empty")
        assert store.get("a/empty") == b""

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 10, b"0123456789"),
            (0, 1, b"0"),
            (3, 4, b"3456"),
            (9, 1, b"9"),
            (5, 100, b"56789"),
            (0, 0, b""),
            (3, 0, b""),
            (10, 5, b""),
            (99, 5, b""),
        ],
    )
    def test_get_range(self, store: ObjectStore, start: int, length: int, expected: bytes) -> None:
        store.put("digits", b"0123456789")
        assert store.get_range("digits", start, length) == expected

    def test_get_range_of_an_empty_object(self, store: ObjectStore) -> None:
        store.put("empty", b"")
        assert store.get_range("empty", 0, 5) == b""

    def test_a_range_does_not_start_before_the_beginning(self, store: ObjectStore) -> None:
        store.put("digits", b"0123456789")
        with pytest.raises(ValueError, match="start"):
            store.get_range("digits", -1, 5)

    def test_stream_chunks(self, store: ObjectStore) -> None:
        data = _pattern(0) * 9 + b"end"
        store.put("big", data)
        chunks = list(store.stream("big", chunk_bytes=300_000))
        assert [len(each) for each in chunks[:-1]] == [300_000] * (len(data) // 300_000)
        assert len(chunks[-1]) == len(data) % 300_000
        assert b"".join(chunks) == data

    def test_a_stream_may_be_left_early(self, store: ObjectStore) -> None:
        store.put("big", bytes(3 * _MIB))
        for chunk in store.stream("big", chunk_bytes=_MIB):
            assert len(chunk) == _MIB
            break
        store.stream("big", chunk_bytes=_MIB)
        store.delete("big")

    def test_what_is_missing_raises(self, store: ObjectStore) -> None:
        store.put("there/too", b"")
        for key in ("no", "no/such/key", "there", "there/to", "there/too/deep"):
            with pytest.raises(ObjectMissing) as caught:
                store.get(key)
            assert caught.value.key == key
            for length in (0, 5):
                with pytest.raises(ObjectMissing):
                    store.get_range(key, 0, length)
            # At the call: a door must know before it sends the status.
            with pytest.raises(ObjectMissing):
                store.stream(key, chunk_bytes=100)
            assert store.size(key) is None
            assert store.local_path(key) is None
            store.delete(key)
        assert store.size("there/too") == 0

    def test_delete(self, store: ObjectStore) -> None:
        store.put("a/b", b"1")
        store.put("a/bc", b"2")
        store.delete("a/b")
        store.delete("a/b")
        assert store.size("a/b") is None
        assert store.get("a/bc") == b"2"
        store.put("a/b", b"3")
        assert store.get("a/b") == b"3"

    def test_list(self, store: ObjectStore) -> None:
        keys = {"a", "git/1/x.pack", "git/1/x.idx", "git/10/y.pack", "git/2/z.pack", "gitx"}
        for key in keys:
            store.put(key, key.encode())
        for prefix in (
            "",
            "g",
            "git",
            "git/",
            "git/1",
            "git/1/",
            "git/1/x",
            "git/1/x.pack",
            "no",
            "git/3/",
            "a/",
        ):
            found = list(store.list(prefix))
            assert {each.key for each in found} == {key for key in keys if key.startswith(prefix)}, prefix
            assert len({each.key for each in found}) == len(found)
            assert all(each.size_bytes == len(each.key) for each in found)
            assert all(each.modified_at_s > 1_700_000_000 for each in found)
        for prefix in ("/", "../", "a/../", ".tmp"):
            with pytest.raises(ValueError, match="prefix"):
                list(store.list(prefix))

    def test_list_sees_no_unfinished_write(self, store: ObjectStore) -> None:
        writer = store.open_writer("a/w")
        writer.write(b"x")
        parts = store.create_parts("a/p")
        parts.put_part(1, 0, iter([b"x"]))
        store.check()
        assert list(store.list("")) == []
        writer.abort()
        parts.abort()

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_bad_keys_are_refused(self, store: ObjectStore, tmp_path: Path, key: str) -> None:
        source = tmp_path / "source"
        source.write_bytes(b"x")
        calls: list[Callable[[], object]] = [
            lambda: store.put(key, b"x"),
            lambda: store.put_file(key, source),
            lambda: store.open_writer(key),
            lambda: store.create_parts(key),
            lambda: store.resume_parts(key, "0" * 32),
            lambda: store.get(key),
            lambda: store.get_range(key, 0, 1),
            lambda: store.stream(key, chunk_bytes=1),
            lambda: store.size(key),
            lambda: store.delete(key),
            lambda: store.local_path(key),
            lambda: store.presign_get(key, expires_s=60, headers={}),
            lambda: store.presign_range(key, 0, 1, expires_s=60),
            lambda: store.presign_put(key, size_bytes=1, expires_s=60),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="key"):
                call()

    @pytest.mark.parametrize("mib", [0, 1, 8, 20])
    def test_a_writer_is_invisible_until_commit(self, store: ObjectStore, mib: int) -> None:
        digest = hashlib.sha256(b"head")
        writer = store.open_writer("a/written")
        writer.write(b"head")
        for number in range(mib):
            block = _pattern(number)
            digest.update(block)
            writer.write(memoryview(block))
        assert store.size("a/written") is None
        assert list(store.list("")) == []
        writer.commit()
        assert _digest(store, "a/written") == (digest.hexdigest(), mib * _MIB + 4)
        writer.abort()
        writer.abort()
        assert store.size("a/written") == mib * _MIB + 4
        with pytest.raises(ValueError, match="committed or aborted"):
            writer.write(b"more")
        with pytest.raises(ValueError, match="committed or aborted"):
            writer.commit()

    def test_a_writer_of_nothing(self, store: ObjectStore) -> None:
        store.open_writer("a/empty").commit()
        assert store.get("a/empty") == b""

    @pytest.mark.parametrize("mib", [1, 20])
    def test_an_aborted_writer_leaves_what_was_there(self, store: ObjectStore, mib: int) -> None:
        store.put("a/kept", b"kept")
        for key in ("a/kept", "a/new"):
            writer = store.open_writer(key)
            for number in range(mib):
                writer.write(_pattern(number))
            writer.abort()
            writer.abort()
            with pytest.raises(ValueError, match="committed or aborted"):
                writer.commit()
        assert store.get("a/kept") == b"kept"
        assert [each.key for each in store.list("")] == ["a/kept"]

    def test_a_reader_sees_the_old_or_the_new_version(self, store: ObjectStore) -> None:
        versions = [bytes([number]) * 100_000 for number in range(10)]
        store.put("v", versions[0])
        done = threading.Event()
        wrong: list[bytes] = []

        def read() -> None:
            while not done.is_set():
                data = store.get("v")
                if data not in versions:
                    wrong.append(data)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for version in versions:
                store.put("v", version)
        finally:
            done.set()
            reader.join()
        assert not wrong

    def test_parts_in_any_order_over_instances(
        self, store: ObjectStore, open_again: Callable[[], ObjectStore]
    ) -> None:
        data = [_pattern(1) * 5, _pattern(2) * 5, _pattern(3) * 5, b"the rest"]
        begun = store.create_parts("a/joined")
        assert re.fullmatch(r"[!-~]{1,1000}", begun.state)
        tags = [""] * 4
        for number in (4, 2, 3):
            tags[number - 1], size = begun.put_part(
                number, (number - 1) * _PART_BYTES, _blocks(data[number - 1])
            )
            assert size == len(data[number - 1])
        begun.put_part(1, 0, _blocks(_pattern(9) * 5))
        other = open_again()
        resumed = other.resume_parts("a/joined", begun.state)
        assert resumed.state == begun.state
        tags[0], size = resumed.put_part(1, 0, _blocks(data[0]))
        assert size == _PART_BYTES
        assert all(re.fullmatch(r'"[!#-~]+"', tag) for tag in tags)
        assert store.size("a/joined") is None
        assert list(store.list("")) == []
        resumed.complete(tags)
        joined = b"".join(data)
        assert _digest(store, "a/joined") == (hashlib.sha256(joined).hexdigest(), len(joined))
        begun.abort()
        resumed.abort()
        assert store.size("a/joined") == len(joined)
        # Again, as after a crash before the answer was kept.
        other.resume_parts("a/joined", begun.state).complete(tags)
        assert store.get_range("a/joined", _PART_BYTES - 2, 4) == data[0][-2:] + data[1][:2]
        other.close()

    def test_a_part_after_completion_is_refused(self, store: ObjectStore) -> None:
        parts = store.create_parts("a/done")
        parts.complete([parts.put_part(1, 0, iter([b"good"]))[0]])
        with pytest.raises(Conflict):
            parts.put_part(1, 0, iter([b"evil"]))
        assert store.get("a/done") == b"good"

    def test_a_last_part_written_again_may_be_shorter(self, store: ObjectStore) -> None:
        parts = store.create_parts("a/shorter")
        first, _ = parts.put_part(1, 0, _blocks(_pattern(1) * 5))
        parts.put_part(2, _PART_BYTES, iter([b"a longer end"]))
        second, size = parts.put_part(2, _PART_BYTES, iter([b"end"]))
        assert size == 3
        parts.complete([first, second])
        assert store.size("a/shorter") == _PART_BYTES + 3
        assert store.get_range("a/shorter", _PART_BYTES - 1, 100) == _pattern(1)[-1:] + b"end"

    def test_a_part_that_breaks_off_can_be_sent_again(self, store: ObjectStore) -> None:
        def broken() -> Iterator[bytes]:
            yield bytes(100_000)
            raise ConnectionResetError

        parts = store.create_parts("a/again")
        with pytest.raises(ConnectionResetError):
            parts.put_part(1, 0, broken())
        tag, _ = parts.put_part(1, 0, iter([b"short"]))
        parts.complete([tag])
        assert store.get("a/again") == b"short"

    def test_aborted_parts_leave_nothing(
        self, store: ObjectStore, open_again: Callable[[], ObjectStore]
    ) -> None:
        store.put("a/kept", b"kept")
        parts = store.create_parts("a/kept")
        tag, _ = parts.put_part(1, 0, iter([b"new"]))
        other = open_again()
        other.resume_parts("a/kept", parts.state).abort()
        parts.abort()
        with pytest.raises(Conflict):
            parts.put_part(1, 0, iter([b"late"]))
        with pytest.raises(Conflict):
            parts.complete([tag])
        assert store.get("a/kept") == b"kept"
        assert [each.key for each in store.list("")] == ["a/kept"]
        other.close()

    def test_parts_at_the_same_time(self, store: ObjectStore, open_again: Callable[[], ObjectStore]) -> None:
        parts = store.create_parts("a/parallel")
        stores = [open_again() for _ in range(3)]

        def put(number: int) -> str:
            writer = stores[number % 3].resume_parts("a/parallel", parts.state)
            return writer.put_part(number, (number - 1) * _PART_BYTES, _blocks(_pattern(number) * 5))[0]

        with ThreadPoolExecutor(6) as pool:
            tags = list(pool.map(put, range(1, 7)))
        parts.complete(tags)
        expected = b"".join(_pattern(number) * 5 for number in range(1, 7))
        assert _digest(store, "a/parallel") == (hashlib.sha256(expected).hexdigest(), len(expected))
        for each in stores:
            each.close()

    def test_bad_parts_are_refused(self, store: ObjectStore) -> None:
        parts = store.create_parts("a/bad")
        for number, offset in ((0, 0), (-1, 0), (1, -1)):
            with pytest.raises(ValueError, match="number"):
                parts.put_part(number, offset, iter([b"x"]))
        tag, _ = parts.put_part(1, 0, iter([b"x"]))
        for tags in ([], ['"00000000000000000000000000000000"'], [tag, tag]):
            with pytest.raises((ValueError, HubError)):
                parts.complete(tags)
        assert store.size("a/bad") is None
        parts.complete([tag])
        assert store.get("a/bad") == b"x"

    def test_a_hundred_threads(self, store: ObjectStore) -> None:
        def work(number: int) -> None:
            data = f"{number},".encode() * 500
            key = f"threads/{number % 10}/{number}"
            store.put(key, data)
            assert store.get(key) == data
            assert store.get_range(key, 7, 50) == data[7:57]
            store.put("threads/same", data)

        with ThreadPoolExecutor(100) as pool:
            list(pool.map(work, range(100)))
        assert len(list(store.list("threads/"))) == 101
        last = store.get("threads/same")
        assert last == last[: last.index(b",") + 1] * 500

    def test_a_big_object_in_little_memory(self, store: ObjectStore) -> None:
        mib = 160
        digest = hashlib.sha256()
        before = peak = _resident_bytes()
        writer = store.open_writer("a/big")
        for number in range(mib):
            block = _pattern(number)
            digest.update(block)
            writer.write(block)
            peak = max(peak, _resident_bytes())
        writer.commit()
        read = hashlib.sha256()
        for chunk in store.stream("a/big", chunk_bytes=_MIB):
            read.update(chunk)
            peak = max(peak, _resident_bytes())
        assert read.digest() == digest.digest()
        assert peak - before < 80 * _MIB

    def test_local_path(self, store: ObjectStore) -> None:
        store.put("a/b", b"data")
        path = store.local_path("a/b")
        if path is not None:
            assert path.read_bytes() == b"data"

    def test_check_of_a_store_that_works(self, store: ObjectStore) -> None:
        store.check()
        assert list(store.list("")) == []


def _pattern(number: int) -> bytes:
    """Return 1 MiB that is different for each number."""
    return hashlib.sha256(number.to_bytes(4, "big")).digest() * (_MIB // 32)


def _blocks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 700_001):
        yield data[start : start + 700_001]


def _write_pattern(path: Path, mib: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(mib):
            file.write(_pattern(number))
            digest.update(_pattern(number))
    return digest.hexdigest()


def _digest(store: ObjectStore, key: str) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    for chunk in store.stream(key, chunk_bytes=_MIB):
        digest.update(chunk)
        size += len(chunk)
    assert store.size(key) == size
    return digest.hexdigest(), size


def _resident_bytes() -> int:
    """Return this process's memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0
    return pages * 4096
