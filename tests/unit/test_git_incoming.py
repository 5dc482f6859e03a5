"""Blobs of a pushed pack are found by size, whether the pack holds them whole or as deltas."""

from __future__ import annotations

from pathlib import Path

import pytest

from openhood.engines.git.commands import IndexedPack
from openhood.engines.git.incoming import BlobInPack, scan_blobs
from openhood.engines.git.objects import object_oid
from openhood.engines.git.store import ObjectDb
from unit.git_judge import Judge

SMALL = range(100, 1000)
OVER_BYTES = 60_000


def _lines(first: int, count: int) -> bytes:
    return b"".join(
        b"line %d of a file that changes little\n" % number for number in range(first, first + count)
    )


BLOBS = {
    "small": _lines(0, 8),
    "small again": _lines(0, 9),
    "too small": b"x\n",
    "middle": _lines(0, 500),
    "middle again": _lines(0, 501),
    "large": _lines(0, 3000),
    "large again": _lines(1, 3000),
}


@pytest.mark.parametrize("by_offset", [True, False])
def test_deltas_count_with_the_size_they_make(tmp_path: Path, by_offset: bool) -> None:
    judge = Judge(tmp_path / "r")
    oids = {name: judge.text("hash-object", "-w", "--stdin", stdin=data) for name, data in BLOBS.items()}
    options = ["--delta-base-offset"] if by_offset else []
    name = judge.text(
        "pack-objects",
        *options,
        str(judge.objects / "pack" / "pack"),
        stdin="\n".join(oids.values()).encode(),
    )
    idx = judge.objects / "pack" / f"pack-{name}.idx"
    packed = judge.text("verify-pack", "-v", str(idx)).splitlines()
    deltas = {line[:40] for line in packed if len(line.split()) == 7}
    assert deltas & {oids["small"], oids["small again"]}
    assert deltas & {oids["large"], oids["large again"]}
    assert deltas & {oids["middle"], oids["middle again"]}
    pack = IndexedPack(name, idx.with_suffix(".pack"), idx, len(BLOBS))
    found = set(scan_blobs(pack, ObjectDb(judge.objects), small=SMALL, over_bytes=OVER_BYTES))
    wanted = ("small", "small again", "large", "large again")
    assert found == {
        BlobInPack(
            object_oid("blob", BLOBS[each]),
            len(BLOBS[each]),
            BLOBS[each] if each.startswith("small") else None,
        )
        for each in wanted
    }
