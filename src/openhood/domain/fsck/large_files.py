"""Checking large files: that the bytes of each are there, whole or as chunks, and with ``deep`` what they are.

The xorbs that files are made of are checked in `chunks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator

from sqlalchemy import select

from openhood.base.errors import CorruptObject, ObjectMissing
from openhood.domain.fsck.findings import UPLOAD, Finding
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.types import LfsObject
from openhood.domain.storage.uploads import hash_stored
from openhood.domain.xet import rows as xet_rows
from openhood.domain.xet.reading import FileReader
from openhood.domain.xet.types import XetFile, Xorb
from openhood.engines.xet.hashing import to_text
from openhood.engines.xet.terms import TERM_BYTES, Term, unpack_terms
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import lfs_objects, repo_lfs, xet_file_xorbs, xet_files

_PAGE = 500


def check_large_files(
    sv: Services, repo: Repo | None, *, deep: bool, bad_xorbs: Collection[int]
) -> Iterator[Finding]:
    """Yield the findings of the large files of a repository, or of all.

    Args: ``bad_xorbs`` were found already: with ``deep``, files that need one are not read to find it again.
    """
    last = ""
    chosen = select(lfs_objects.c.sha256).order_by(lfs_objects.c.sha256).limit(_PAGE)
    if repo is not None:
        chosen = chosen.join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256).where(
            repo_lfs.c.repo_id == repo.id
        )
    while True:
        with sv.db.read() as tx:
            page = list(tx.execute(chosen.where(lfs_objects.c.sha256 > last)).scalars())
            found = storage_rows.find_objects(tx, page)
        if not page:
            return
        last = page[-1]
        for each in found.values():
            for problem in _problems(sv, each, deep=deep, bad_xorbs=bad_xorbs):
                if _is_current(sv, each):
                    yield Finding("error", f"large file {each.sha256}", problem, UPLOAD)


def _is_current(sv: Services, found: LfsObject) -> bool:
    """Tell whether the row still says so: the object may have been deleted while it was looked at."""
    with sv.db.read() as tx:
        return storage_rows.get_object(tx, found.sha256) == found


def _problems(sv: Services, found: LfsObject, *, deep: bool, bad_xorbs: Collection[int]) -> Iterator[str]:
    if found.key is not None:
        problem = _problem_of_whole(sv, found, found.key, deep=deep)
        if problem is not None:
            yield problem
    elif found.xet_hash is None:
        yield "its row names no bytes at all"
    with sv.db.read() as tx:
        files = _list_files(tx, found)
    if found.xet_hash is not None and found.xet_hash not in [file.hash for _number, file in files]:
        yield f"its row names the Xet file {found.xet_hash}, which has no row"
    for number, file in files:
        for problem in _problems_of_xet_file(sv, found, number, file, deep=deep, bad_xorbs=bad_xorbs):
            yield f"as Xet file {file.hash}, {problem}"


def _problem_of_whole(sv: Services, found: LfsObject, key: str, *, deep: bool) -> str | None:
    size = sv.objects.size(key)
    if size is None:
        return "its bytes are missing from the object store"
    if size != found.size_bytes:
        return f"it has {size} bytes, not {found.size_bytes}"
    if not deep:
        return None
    try:
        digest, _size = hash_stored(sv, key)
    except ObjectMissing:
        digest = ""
    return None if digest == found.sha256 else "its bytes have another SHA-256: they rotted"


# --- kept as chunks -------------------------------------------------------------------------


def _list_files(tx: Tx, found: LfsObject) -> list[tuple[int, XetFile]]:
    """Return the Xet files of an object: clients that cut differently make several of the same bytes."""
    chosen = select(xet_files.c.id, xet_files.c.hash).where(xet_files.c.sha256 == found.sha256)
    numbers = {row.hash: row.id for row in tx.execute(chosen.order_by(xet_files.c.id))}
    files = [xet_rows.get_file(tx, name) for name in numbers]
    return [(numbers[file.hash], file) for file in files if file is not None]


def _problems_of_xet_file(
    sv: Services, found: LfsObject, number: int, file: XetFile, *, deep: bool, bad_xorbs: Collection[int]
) -> Iterator[str]:
    if len(file.terms) % TERM_BYTES:
        yield "its terms are damaged"
        return
    terms = list(unpack_terms(file.terms))
    if file.size_bytes != found.size_bytes:
        yield f"its row says {file.size_bytes} bytes, not {found.size_bytes}"
    length = sum(term.raw_bytes for term in terms)
    if length != file.size_bytes:
        yield f"its terms add up to {length} bytes, not {file.size_bytes}"
    names = {to_text(term.xorb) for term in terms}
    with sv.db.read() as tx:
        xorbs = xet_rows.find_xorbs(tx, names)
        kept = set(
            tx.execute(select(xet_file_xorbs.c.xorb_id).where(xet_file_xorbs.c.file_id == number)).scalars()
        )
    missing = sorted(names - xorbs.keys())
    if missing:
        yield f"{len(missing)} of its xorbs have no row, the first is {missing[0]}"
        return
    if not _fit(terms, {each.hash: each for each in xorbs.values()}):
        yield "its terms name chunks that their xorbs do not have"
        return
    needed = {each.id for each in xorbs.values()}
    if needed - kept:
        yield f"{len(needed - kept)} of its xorbs are not noted as needed: garbage collection could delete them"
    if kept - needed:
        yield f"{len(kept - needed)} xorbs are noted as needed that it does not name"
    if deep and needed.isdisjoint(bad_xorbs):
        problem = _problem_of_content(sv, found, terms)
        if problem is not None:
            yield problem


def _fit(terms: list[Term], xorbs: dict[str, Xorb]) -> bool:
    return all(0 <= term.first < term.end <= xorbs[to_text(term.xorb)].chunk_count for term in terms)


def _problem_of_content(sv: Services, found: LfsObject, terms: list[Term]) -> str | None:
    digest = hashlib.sha256()
    reader = FileReader(sv, terms)
    try:
        for block in reader.blocks(0, reader.size_bytes):
            digest.update(block)
    except (CorruptObject, ObjectMissing) as error:
        return f"it cannot be read: {error.message}"
    return None if digest.hexdigest() == found.sha256 else "its bytes have another SHA-256"
