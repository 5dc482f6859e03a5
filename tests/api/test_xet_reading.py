"""Reading files out of xorbs: every range of every kind of chunk, and never a wrong byte."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from api.content import Content
from api.xet_content import mixed_content, name_of, split, store_simple, store_xorb
from openhood.base.errors import CorruptObject, ObjectMissing
from openhood.base.names import XetHash
from openhood.domain.xet import reading
from openhood.domain.xet.reading import FileReader
from openhood.engines.xet.hashing import from_text
from openhood.engines.xet.terms import Term
from openhood.infra.guarded_store import GuardedStore
from openhood.plugins.objects_local import LocalObjects
from openhood.testing.hub import HubUnderTest


def repo_of(hub: HubUnderTest, name: str = "alice/m", **options: str) -> int:
    """The number of a new repository of alice's."""
    if name == "alice/m":
        hub.add_user("alice")
    return Content(hub.sv, name, **options).repo.id


def test_reads_every_range(hub: HubUnderTest) -> None:
    data = mixed_content(3_000_000)
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, data, per_xorb=7)
    reader = reading.open_file(hub.sv, repo, name_of(made))
    assert reader is not None
    assert reader.size_bytes == len(data)
    assert b"".join(reader.blocks(0, len(data))) == data
    assert b"".join(reader.blocks(0, len(data), block_bytes=70_000)) == data
    chance = random.Random(3)
    for _ in range(150):
        start = chance.randrange(len(data))
        length = chance.choice((0, 1, 10, 5_000, 400_000, 3_000_000))
        length = min(length, len(data) - start)
        block_bytes = chance.choice((None, 1, 50_000, 300_000))
        assert b"".join(reader.blocks(start, length, block_bytes=block_bytes)) == data[start : start + length]


def test_blocks_are_bounded(hub: HubUnderTest) -> None:
    data = mixed_content(2_000_000)
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, data, per_xorb=5)
    reader = reading.open_object(hub.sv, made)
    sizes = [len(block) for block in reader.blocks(0, len(data), block_bytes=300_000)]
    assert max(sizes) <= 300_000
    # Blocks reach over the ends of terms, so few are small.
    assert len(sizes) <= 12


def test_many_tiny_chunks(hub: HubUnderTest) -> None:
    data = random.Random(5).randbytes(3000)
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, data, chunks=[data[i : i + 1] for i in range(3000)], per_xorb=2000)
    assert b"".join(reading.open_object(hub.sv, made).blocks(0, 3000)) == data


class FarObjects(LocalObjects):
    """A store that has no file to open here; counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[tuple[int, int]] = []

    def local_path(self, key: str) -> Path | None:
        return None

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return super().get_range(key, start, length)


def test_reads_from_a_remote_store_run_by_run(hub: HubUnderTest) -> None:
    data = mixed_content(6_000_000)
    repo = repo_of(hub)
    made = store_simple(hub.sv, repo, data, per_xorb=1000)
    far = FarObjects(hub.data_dir / "objects")
    object.__setattr__(hub.sv, "objects", GuardedStore(far))
    reader = reading.open_object(hub.sv, made)
    assert b"".join(reader.blocks(0, len(data))) == data
    # The footer, then one request for each block: no chunk is fetched alone, none twice.
    blocks = far.asked[1:]
    assert len(blocks) == 2
    assert sum(length for _start, length in blocks) == far.asked[0][0]
    assert max(length for _start, length in blocks) <= reading.WINDOW_BYTES
    far.asked.clear()
    assert bytes(next(reader.blocks(1_000_000, 10))) == data[1_000_000:1_000_010]
    assert [length <= 140_000 for _start, length in far.asked] == [True]


def test_damage_is_found_in_remote_stores_too(hub: HubUnderTest) -> None:
    data = mixed_content(1_000_000)
    made = store_simple(hub.sv, repo_of(hub), data, per_xorb=1000)
    far = FarObjects(hub.data_dir / "objects")
    object.__setattr__(hub.sv, "objects", GuardedStore(far))
    (stored,) = far.list("xorbs/")
    whole = bytearray(far.get(stored.key))
    for at in range(0, len(whole) - 200_000, 97_001):
        whole[at] ^= 1
        far.put(stored.key, bytes(whole))
        with pytest.raises(CorruptObject):
            b"".join(reading.open_object(hub.sv, made).blocks(0, len(data)))
        whole[at] ^= 1


def test_terms_that_do_not_fit_their_xorb(hub: HubUnderTest) -> None:
    repo_of(hub)
    chunks = split(mixed_content(500_000))
    _id, index = store_xorb(hub.sv, chunks)
    count, size = index.chunk_count, index.raw_bytes
    for first, end, raw_bytes in (
        (0, count + 1, size),
        (0, count, size - 1),
        (0, count, size + 1),
        (1, count, size),
        (count, count + 1, 5),
    ):
        reader = FileReader(
            hub.sv, [Term(index.digest, raw_bytes, first, end), Term(index.digest, size, 0, count)]
        )
        with pytest.raises(CorruptObject):
            b"".join(reader.blocks(0, reader.size_bytes))
    with pytest.raises(CorruptObject):
        b"".join(FileReader(hub.sv, [Term(bytes(32), 10, 0, 1)]).blocks(0, 10))


def test_xorbs_that_are_gone_or_cut_short(hub: HubUnderTest) -> None:
    data = mixed_content(1_000_000)
    made = store_simple(hub.sv, repo_of(hub), data, per_xorb=1000)
    (stored,) = hub.sv.objects.list("xorbs/")
    whole = hub.sv.objects.get(stored.key)
    reading.open_object(hub.sv, made).index_of(from_text(XetHash(stored.key.rpartition("/")[2][:64])))
    hub.sv.objects.put(stored.key, whole[: len(whole) // 2])
    with pytest.raises(CorruptObject):
        b"".join(reading.open_object(hub.sv, made).blocks(0, len(data)))
    hub.sv.objects.delete(stored.key)
    with pytest.raises(ObjectMissing):
        b"".join(reading.open_object(hub.sv, made).blocks(0, len(data)))


def test_ranges_outside_the_file_are_refused(hub: HubUnderTest) -> None:
    made = store_simple(hub.sv, repo_of(hub), mixed_content(10_000))
    reader = reading.open_object(hub.sv, made)
    for start, length in ((0, 10_001), (10_000, 1), (-1, 5), (5, -1)):
        with pytest.raises(ValueError, match="inside the file"):
            list(reader.blocks(start, length))
    assert list(reader.blocks(10_000, 0)) == []


def test_few_files_are_open_at_once(hub: HubUnderTest) -> None:
    data = mixed_content(3_000_000)
    made = store_simple(hub.sv, repo_of(hub), data, chunks=split(data, least=20_000, most=30_000), per_xorb=2)
    reader = reading.open_object(hub.sv, made)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _block in reader.blocks(0, len(data)):
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 20
    reader.close()
    assert b"".join(reader.blocks(100, 1000)) == data[100:1100]


def test_a_file_is_found_only_where_its_content_is_held(hub: HubUnderTest) -> None:
    mine, other = repo_of(hub), repo_of(hub, "alice/other")
    made = store_simple(hub.sv, mine, mixed_content(10_000))
    assert reading.open_file(hub.sv, mine, name_of(made)) is not None
    assert reading.open_file(hub.sv, other, name_of(made)) is None
