"""What storage is used for: by the hub, by each repository, by each file, and what deleting would give back.

The words, exactly. The *logical* size is that of the contents as people see them. *Stored* is what the object store
keeps for them: whole copies and, in full, every xorb of which they need any part. A xorb or whole copy is *unique* to
a repository if no other needs it, else *shared*: so unique bytes, and the git packs, are what deleting the repository
gives back, and the unique bytes of two repositories may be less than both give back together. Xorbs stay until their
lease ends, and then for the grace of condemned ones. Contents that no repository names count for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType, Sha256, XetHash
from openhood.domain.services import Services
from openhood.domain.xet import gc_rows, report_rows
from openhood.domain.xet.report_rows import Affected, Holder
from openhood.domain.xet.types import Xorb

_PAGE = 1000
_AFFECTED = 100
"""Files named for a damaged xorb."""


@dataclass(slots=True)
class Use:
    """What contents take. ``raw_bytes`` are those of the needed xorbs decoded."""

    files: int = 0
    logical_bytes: int = 0
    xet_logical_bytes: int = 0
    whole_bytes: int = 0
    xorbs: int = 0
    xorb_bytes: int = 0
    raw_bytes: int = 0
    unique_bytes: int = 0
    git_bytes: int = 0

    @property
    def stored_bytes(self) -> int:
        """What the object store keeps for them, git packs left out."""
        return self.whole_bytes + self.xorb_bytes

    @property
    def shared_bytes(self) -> int:
        """What others need as well."""
        return self.stored_bytes - self.unique_bytes

    @property
    def freed_bytes(self) -> int:
        """What deleting gives back."""
        return self.unique_bytes + self.git_bytes

    @property
    def dedup_ratio(self) -> float | None:
        """Logical size of what is kept as chunks, by the length of these chunks; above 1 where some are shared."""
        return self.xet_logical_bytes / self.raw_bytes if self.raw_bytes else None

    @property
    def compression_ratio(self) -> float | None:
        """Length of chunks by their length as stored."""
        return self.raw_bytes / self.xorb_bytes if self.xorb_bytes else None

    @property
    def ratio(self) -> float | None:
        """Logical size by stored."""
        return self.logical_bytes / self.stored_bytes if self.stored_bytes else None

    def _add(self, xorb: Xorb, *, is_unique: bool) -> None:
        self.xorbs += 1
        self.xorb_bytes += xorb.size_bytes
        self.raw_bytes += xorb.raw_bytes
        if is_unique:
            self.unique_bytes += xorb.size_bytes


@dataclass(frozen=True, slots=True)
class RepoUse:
    """A repository and what it takes."""

    holder: Holder
    use: Use


@dataclass(slots=True)
class Leaving:
    """What is stored and needed by no file: how much, and when the first and the last of it may be deleted."""

    count: int = 0
    size_bytes: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None

    def _add(self, size_bytes: int, at: datetime | None) -> None:
        self.count += 1
        self.size_bytes += size_bytes
        if at is not None:
            self.first_at = at if self.first_at is None else min(self.first_at, at)
            self.last_at = at if self.last_at is None else max(self.last_at, at)


@dataclass(frozen=True, slots=True)
class DamagedXorb:
    """A damaged xorb and files that cannot be read without it, the first `_AFFECTED` of them."""

    name: XetHash
    size_bytes: int
    since: datetime
    files: tuple[Affected, ...]


@dataclass(slots=True)
class Report:
    """The whole hub.

    ``total`` counts a content once for each repository that names it in ``files`` and ``logical_bytes``, and each
    stored byte once; its ``unique_bytes`` are those that one repository alone needs. ``contents`` and
    ``content_bytes`` count every different content once.
    """

    repositories: list[RepoUse] = field(default_factory=list)
    total: Use = field(default_factory=Use)
    contents: int = 0
    content_bytes: int = 0
    unnamed: Leaving = field(default_factory=Leaving)
    leased: Leaving = field(default_factory=Leaving)
    condemned: Leaving = field(default_factory=Leaving)
    doomed_keys: int = 0
    doomed_until: datetime | None = None
    damaged: list[DamagedXorb] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FileUse:
    """One content of a repository.

    ``path`` is where it was pushed last, None where no commit names it; ``freed_bytes`` is what deleting it from the
    whole history of this repository gives back, when nothing else is deleted.
    """

    sha256: Sha256
    path: str | None
    size_bytes: int
    is_whole: bool
    xet_hash: XetHash | None
    xorbs: int
    is_elsewhere: bool
    freed_bytes: int


def report_all(sv: Services) -> Report:
    """Return the report of the whole hub. Opens read units; what changes meanwhile may count or not."""
    made = Report()
    uses: dict[int, Use] = {}
    last = 0
    while True:
        with sv.db.read() as tx:
            holders = report_rows.list_holders(tx, after=last, limit=_PAGE)
            git = report_rows.sum_packs(tx, [each.number for each in holders])
        if not holders:
            break
        for holder in holders:
            uses[holder.number] = Use(git_bytes=git.get(holder.number, 0))
            made.repositories.append(RepoUse(holder, uses[holder.number]))
        last = holders[-1].number
    made.total.git_bytes = sum(use.git_bytes for use in uses.values())
    _count_contents(sv, made, uses)
    _count_xorbs(sv, made, uses)
    with sv.db.read() as tx:
        made.doomed_keys, made.doomed_until = report_rows.measure_doomed(tx)
    made.damaged = list(find_damaged(sv))
    return made


def _count_contents(sv: Services, made: Report, uses: dict[int, Use]) -> None:
    after = ""
    while True:
        with sv.db.read() as tx:
            page = report_rows.list_contents(tx, after=after, limit=_PAGE)
        if not page:
            return
        for _sha256, size_bytes, is_whole, is_xet, numbers in page:
            whole_bytes = size_bytes if is_whole else 0
            if not numbers:
                made.unnamed._add(whole_bytes, None)
                continue
            made.contents += 1
            made.content_bytes += size_bytes
            made.total.whole_bytes += whole_bytes
            # Repositories made since the list was read are left out altogether.
            naming = [uses[number] for number in numbers if number in uses]
            for use in (*naming, *([made.total] * len(naming))):
                use.files += 1
                use.logical_bytes += size_bytes
                use.xet_logical_bytes += size_bytes if is_xet else 0
            for use in naming:
                use.whole_bytes += whole_bytes
            if len(numbers) == 1:
                for use in (*naming, made.total):
                    use.unique_bytes += whole_bytes
        after = page[-1][0]


def _count_xorbs(sv: Services, made: Report, uses: dict[int, Use]) -> None:
    grace = timedelta(seconds=sv.settings.xet.condemned_grace_s)
    last = 0
    while True:
        with sv.db.read() as tx:
            page = report_rows.list_xorbs(tx, after=last, limit=_PAGE)
        if not page:
            return
        for xorb, numbers in page:
            if not numbers:
                if xorb.state == "live":
                    made.leased._add(xorb.size_bytes, xorb.lease_until + grace)
                else:
                    made.condemned._add(xorb.size_bytes, max(xorb.state_since + grace, xorb.lease_until))
                continue
            naming = [uses[number] for number in numbers if number in uses]
            for use in (*naming, made.total):
                use._add(xorb, is_unique=len(numbers) == 1)
        last = page[-1][0].id


def find_damaged(sv: Services) -> Iterator[DamagedXorb]:
    """Yield the xorbs that are known to be damaged, with files that need them. Opens read units."""
    last = 0
    while True:
        with sv.db.read() as tx:
            page = gc_rows.list_damaged(tx, after=last, limit=_PAGE)
        for xorb in page:
            with sv.db.read() as tx:
                files = report_rows.list_affected(tx, xorb.id, limit=_AFFECTED)
            yield DamagedXorb(xorb.hash, xorb.size_bytes, xorb.state_since, tuple(files))
        if not page:
            return
        last = page[-1].id


def find_holder(sv: Services, repo_type: RepoType, repo_id: RepoId) -> Holder:
    """Return the repository to report on. Opens a read unit. Raises NotFound."""
    with sv.db.read() as tx:
        found = report_rows.find_holder(tx, repo_type, repo_id)
    if found is None:
        raise NotFound(f"There is no {repo_type.value} {repo_id}.")
    return found


def report_repo(sv: Services, holder: Holder) -> RepoUse:
    """Return what one repository takes, without looking at any other. Opens read units."""
    with sv.db.read() as tx:
        use = Use(git_bytes=report_rows.sum_packs(tx, [holder.number]).get(holder.number, 0))
    parts: set[int] = set()
    after = ""
    while True:
        with sv.db.read() as tx:
            page = report_rows.list_held(tx, holder.number, after=after, limit=_PAGE)
            for xorbs in report_rows.find_parts(tx, [each.sha256 for each in page]).values():
                parts |= xorbs
        if not page:
            break
        for content in page:
            whole_bytes = content.size_bytes if content.is_whole else 0
            use.files += 1
            use.logical_bytes += content.size_bytes
            use.xet_logical_bytes += 0 if content.xet_hash is None else content.size_bytes
            use.whole_bytes += whole_bytes
            use.unique_bytes += 0 if content.is_elsewhere else whole_bytes
        after = page[-1].sha256
    wanted = sorted(parts)
    for start in range(0, len(wanted), _PAGE):
        batch = wanted[start : start + _PAGE]
        with sv.db.read() as tx:
            found = report_rows.find_xorbs(tx, batch)
            shared = report_rows.find_shared(tx, batch, repo=holder.number)
        for number, xorb in found.items():
            use._add(xorb, is_unique=number not in shared)
    return RepoUse(holder, use)


def report_files(sv: Services, holder: Holder) -> Iterator[FileUse]:
    """Yield what each content of a repository takes, by hash. Opens read units."""
    own_bytes: dict[int, int] = {}
    """What each xorb met so far takes if one content alone needs it, else 0."""
    after = ""
    while True:
        with sv.db.read() as tx:
            page = report_rows.list_held(tx, holder.number, after=after, limit=_PAGE)
            hashes = [each.sha256 for each in page]
            parts = report_rows.find_parts(tx, hashes)
            paths = report_rows.find_paths(tx, holder.number, hashes)
            new = {xorb for xorbs in parts.values() for xorb in xorbs} - own_bytes.keys()
            common = report_rows.find_common(tx, new)
            for number, xorb in report_rows.find_xorbs(tx, new).items():
                own_bytes[number] = 0 if number in common else xorb.size_bytes
        if not page:
            return
        for content in page:
            xorbs = parts.get(content.sha256, set())
            freed = content.size_bytes if content.is_whole else 0
            freed += sum(own_bytes.get(number, 0) for number in xorbs)
            yield FileUse(
                content.sha256,
                paths.get(content.sha256),
                content.size_bytes,
                content.is_whole,
                content.xet_hash,
                len(xorbs),
                content.is_elsewhere,
                0 if content.is_elsewhere else freed,
            )
        after = page[-1].sha256
