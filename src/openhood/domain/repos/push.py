"""Taking a git push: what is advertised, and the way of a pushed pack from quarantine to moved refs.

Bytes come spooled from a door, which speaks HTTP; which refs may move is `push_rules`, what the objects
must be is `push_checks`. Order: pack into the store, then one write unit with its row and the refs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from openhood import __version__
from openhood.base.errors import (
    BadRequest,
    Conflict,
    CorruptObject,
    Forbidden,
    LfsObjectMissing,
    PayloadTooLarge,
    QuotaExceeded,
)
from openhood.base.names import MAIN, Oid, RefName, RepoId, RepoType, Sha256, pr_ref
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import (
    folding,
    gitdb,
    lookup,
    publish,
    pull_events,
    pulls,
    push_rows,
    push_rules,
    quota,
    refs,
    rows,
)
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.push_checks import Arrival, Fault, Findings, Quarantine, card_warnings, inspect
from openhood.domain.repos.push_rules import ATOMIC, STALE, Ground
from openhood.domain.repos.types import CommitLine, Consequences, Ref, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import IndexedPack, index_pack
from openhood.engines.git.incoming import repack
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.wire import (
    PktReader,
    PushRequest,
    RefCommand,
    advertise_receive,
    parse_push_commands,
)
from openhood.infra.db.engine import Tx

CAPABILITIES = ("report-status", "delete-refs", "side-band-64k", "quiet", "atomic", "ofs-delta")

_UNPACKER_ERROR = "unpacker error"
# Above this, finding out which of many refs is at fault would cost more than it tells.
_MAX_SINGLED_OUT = 20
_MAX_MOVES_IN_UNIT = 200


@dataclass(frozen=True, slots=True)
class SpooledPush:
    """A push on disk: what it asks for, and the file whose bytes from ``pack_offset`` on are its pack."""

    request: PushRequest
    path: Path
    pack_offset: int


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """What became of a push: per ref None (moved) or the reason why not, and lines for the person."""

    unpack_error: str | None
    results: tuple[tuple[str, str | None], ...]
    messages: tuple[str, ...]


def advertise(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> bytes:
    """Return the refs a push starts from, as git expects them. Opens a read unit.

    Of the pull requests, those are shown that the viewer may push to. Raises: what `check_may_push` raises.
    """
    with sv.db.read() as tx:
        repo, may_write = _find(tx, viewer, repo_type, repo_id)
        shown = rows.list_refs(tx, repo.id)
        open_ones = _pull_requests_of(tx, viewer, repo, shown, may_write=may_write)
    pairs = [
        (ref.name, ref.oid)
        for ref in shown
        if ref.name.startswith(("refs/heads/", "refs/tags/")) or ref.name in open_ones
    ]
    return advertise_receive(pairs, CAPABILITIES, f"openhood/{__version__}")


def check_may_push(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> None:
    """Return if the viewer may push something to the repository. Opens a read unit.

    Raises: RepoNotFound, Moved, GatedRepo, RepoDisabled, Forbidden.
    """
    with sv.db.read() as tx:
        _find(tx, viewer, repo_type, repo_id)


def read_request(path: Path) -> SpooledPush:
    """Parse the commands at the head of a spooled push. Raises BadRequest."""
    with path.open("rb") as file:
        request = parse_push_commands(PktReader(file))
        return SpooledPush(request, path, file.tell())


def receive(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    spooled: SpooledPush,
    workdir: Path,
) -> PushOutcome:
    """Take a push as far as the rules allow: moved refs are durable when this returns.

    *Args*: ``workdir`` is a private directory for the quarantine, which the caller removes. Opens several
    units. *Raises*: what `check_may_push` raises; GitTimedOut, Unavailable.
    """
    push = _Push(spooled.request)
    with sv.db.read() as tx:
        repo, may_write = _find(tx, viewer, repo_type, repo_id)
        ground = _ground(tx, viewer, repo, spooled.request, may_write=may_write)
    push.refuse(push_rules.judge(spooled.request.commands, ground))
    if not push.open:
        return push.outcome()
    if not push.arriving:
        _land(sv, viewer, repo, push, pack=None, consequences=Consequences(), commits={})
        return push.outcome()
    folding.relieve(sv, repo)
    with gitdb.snapshot(sv, repo) as gitdir:
        try:
            pack = index_pack(
                gitdir,
                spooled.path,
                offset=spooled.pack_offset,
                max_bytes=sv.settings.limits.push_bytes,
                timeout_s=sv.settings.git.timeout_s,
            )
        except (BadRequest, PayloadTooLarge) as error:
            return push.failed(error.message)
        with _quarantine(sv, repo, ground.refs, gitdir, pack) as quarantine:
            arrivals = _arrivals(push, quarantine)
            findings = _inspect(push, quarantine, arrivals)
            arrivals = push.remaining(arrivals)
            if pack is not None and (push.refused_some or findings.object_count < _sent_count(spooled)):
                pack = _repack(sv, quarantine, arrivals, workdir)
            push.messages += card_warnings(quarantine, arrivals)
            commits = {arrival.command.name: arrival.commit for arrival in arrivals}
            tip = describe_tip(quarantine.objects, commits[MAIN], repo.type) if MAIN in commits else None
            lines = _pull_commits(quarantine, ground, arrivals)
        consequences = Consequences(
            tip=tip, changes=findings.changes, pointers=findings.pointers, commits=lines
        )
        _check_quota(sv, repo, push, pack)
        _land(sv, viewer, repo, push, pack=pack, consequences=consequences, commits=commits)
    return push.outcome()


class _Push:
    """The commands of a push, and what was decided of each so far."""

    def __init__(self, request: PushRequest) -> None:
        self.messages: list[str] = []
        self._commands = request.commands
        self.is_atomic = "atomic" in request.capabilities
        self._refused: dict[RefName, str] = {}

    @property
    def open(self) -> list[RefCommand]:
        """The commands nothing speaks against yet."""
        return self.still_open(self._commands)

    @property
    def arriving(self) -> list[RefCommand]:
        """Those of the open commands that bring something: all but deletions."""
        return [command for command in self.open if not command.is_delete]

    @property
    def refused_some(self) -> bool:
        """Whether a command that brings something was refused."""
        return any(not command.is_delete and command.name in self._refused for command in self._commands)

    def still_open(self, commands: Iterable[RefCommand]) -> list[RefCommand]:
        """Return those of ``commands`` that were not refused."""
        return [command for command in commands if command.name not in self._refused]

    def remaining(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """Return those arrivals that were not refused."""
        return [arrival for arrival in arrivals if arrival.command.name not in self._refused]

    def refuse(self, reasons: Mapping[RefName, str]) -> None:
        """Refuse some refs; in an atomic push the others fall with them."""
        self._refused |= reasons
        if self.is_atomic and self._refused:
            self._refused |= {command.name: ATOMIC for command in self.open}

    def refuse_arriving(self, reason: str) -> None:
        """Refuse all that brings something."""
        self.refuse({command.name: reason for command in self.arriving})

    def failed(self, error: str) -> PushOutcome:
        """Return the outcome of a pack that cannot be taken: nothing moved."""
        self._refused |= {command.name: _UNPACKER_ERROR for command in self.open}
        return self.outcome(error)

    def outcome(self, unpack_error: str | None = None) -> PushOutcome:
        """Return what became of each command, in the order they came."""
        results = tuple((command.name, self._refused.get(command.name)) for command in self._commands)
        return PushOutcome(unpack_error, results, tuple(self.messages))


# Who and what


def _find(tx: Tx, viewer: Viewer, repo_type: RepoType, repo_id: RepoId) -> tuple[Repo, bool]:
    """Return the repository, and whether the viewer may write to all of it (else to own pull requests)."""
    repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.PROPOSE)
    try:
        lookup.check(viewer, repo, need=Need.WRITE)
    except Forbidden:
        user = viewer.user_id
        if user is None or not push_rows.has_open_pull(tx, repo.id, author_id=user):
            raise Forbidden(
                f"You may not push to {repo.type.value} {repo.repo_id}. Ask its owner for write access, or open "
                "a pull request and push to its ref (refs/pr/N)."
            ) from None
        return repo, False
    return repo, True


def _ground(tx: Tx, viewer: Viewer, repo: Repo, request: PushRequest, *, may_write: bool) -> Ground:
    return Ground(
        refs={ref.name: ref for ref in rows.list_refs(tx, repo.id)},
        pulls=push_rows.list_pulls(tx, repo.id, push_rules.pull_numbers(request.commands)),
        may_write=may_write,
        user_id=viewer.user_id,
    )


def _pull_requests_of(
    tx: Tx, viewer: Viewer, repo: Repo, shown: Collection[Ref], *, may_write: bool
) -> set[RefName]:
    numbers = [number for ref in shown if (number := pulls.number_of(ref.name)) is not None]
    return {
        pr_ref(number)
        for number, pull in push_rows.list_pulls(tx, repo.id, numbers).items()
        if pull.is_open and (may_write or pull.author_id == viewer.user_id)
    }


# The pack


def _repack(
    sv: Services, quarantine: Quarantine, arrivals: Collection[Arrival], workdir: Path
) -> IndexedPack | None:
    """Pack what is taken: what was refused, or belongs to no commit, must not come in on its back."""
    return repack(
        quarantine.gitdir,
        [arrival.command.new for arrival in arrivals],
        [ref.oid for ref in quarantine.refs.values()],
        workdir,
        timeout_s=sv.settings.git.timeout_s,
    )


def _sent_count(spooled: SpooledPush) -> int:
    """Return how many objects the client said its pack has: bytes 8 to 11 of the pack's header."""
    with spooled.path.open("rb") as file:
        file.seek(spooled.pack_offset + 8)
        return int.from_bytes(file.read(4), "big")


@contextmanager
def _quarantine(
    sv: Services, repo: Repo, known: Mapping[RefName, Ref], gitdir: Path, pack: IndexedPack | None
) -> Iterator[Quarantine]:
    def lfs_sizes(hashes: Collection[Sha256]) -> Mapping[Sha256, int]:
        with sv.db.read() as tx:
            return refs.lfs_sizes(tx, repo, hashes)

    own = gitdb.objects_dir(sv, repo)
    # The pushed objects first: most look-ups are for them.
    objects = ObjectDb(own) if pack is None else ObjectDb(pack.objects_dir, alternates=[own])
    try:
        yield Quarantine(
            gitdir=gitdir,
            pack=pack,
            objects=objects,
            refs=known,
            regular_file_bytes=sv.settings.limits.regular_file_bytes,
            timeout_s=sv.settings.git.timeout_s,
            lfs_sizes=lfs_sizes,
        )
    finally:
        objects.close()


def _arrivals(push: _Push, quarantine: Quarantine) -> list[Arrival]:
    """Find the commit of each new value; refuses what leads to none."""
    arrivals: list[Arrival] = []
    reasons: dict[RefName, str] = {}
    for command in push.arriving:
        try:
            commit = quarantine.objects.peel_to_commit(command.new)
        except CorruptObject:
            known = quarantine.objects.exists(command.new)
            reasons[command.name] = "it does not lead to a commit" if known else "missing necessary objects"
            continue
        if commit != command.new and not command.name.startswith("refs/tags/"):
            reasons[command.name] = "a branch must be a commit, not a tag"
        else:
            arrivals.append(Arrival(command, commit))
    push.refuse(reasons)
    return push.remaining(arrivals)


def _inspect(push: _Push, quarantine: Quarantine, arrivals: list[Arrival]) -> Findings:
    """Inspect what arrives, refuse the refs that are at fault, and return what is found in the rest."""
    if not arrivals:
        return Findings(0, (), {}, None)
    findings = inspect(quarantine, arrivals)
    if findings.fault is None:
        return findings
    push.messages += findings.fault.explanation
    if len(arrivals) == 1 or len(arrivals) > _MAX_SINGLED_OUT:
        push.refuse_arriving(findings.fault.reason)
    else:
        push.refuse(
            {
                arrival.command.name: fault.reason
                for arrival in arrivals
                if (fault := _fault_of(quarantine, arrival)) is not None
            }
        )
    rest = push.remaining(arrivals)
    if not rest:
        return Findings(0, (), {}, None)
    findings = inspect(quarantine, rest)
    if findings.fault is not None:  # what each may do alone, they may not do together
        push.refuse_arriving(findings.fault.reason)
    return findings


def _fault_of(quarantine: Quarantine, arrival: Arrival) -> Fault | None:
    return inspect(quarantine, [arrival]).fault


def _pull_commits(
    quarantine: Quarantine, ground: Ground, arrivals: Iterable[Arrival]
) -> dict[RefName, tuple[CommitLine, ...]]:
    """Return what comes to pull requests: neither theirs already, nor what their base has."""
    found: dict[RefName, tuple[CommitLine, ...]] = {}
    for arrival in arrivals:
        number = pulls.number_of(arrival.command.name)
        pull = None if number is None else ground.pulls.get(number)
        if pull is not None:
            here = (ground.refs.get(name) for name in (arrival.command.name, pull.base_ref))
            known = [ref.commit_oid for ref in here if ref is not None]
            found[arrival.command.name] = pull_events.new_commits(quarantine.objects, known, arrival.commit)
    return found


# Landing


def _check_quota(sv: Services, repo: Repo, push: _Push, pack: IndexedPack | None) -> None:
    if pack is None:
        return
    try:
        with sv.db.read() as tx:
            quota.check(
                tx,
                sv,
                owner_id=repo.owner_id,
                namespace=repo.repo_id.namespace,
                added_bytes=pack.pack_path.stat().st_size,
            )
    except QuotaExceeded as error:
        push.messages.append(error.message)
        push.refuse_arriving("storage limit reached")


def _land(
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    push: _Push,
    *,
    pack: IndexedPack | None,
    consequences: Consequences,
    commits: Mapping[RefName, Oid],
) -> None:
    """Store the pack, then move what is still open in write units; a ref that lost a race is left out.

    An atomic push is one unit. Others are one as well unless they move very many refs: each of these
    stands for itself, and the database's other writers want their turn.
    """
    # Deletions first: a branch may take the place of a folder of branches.
    ordered = sorted(push.open, key=lambda command: not command.is_delete)
    size = len(ordered) if push.is_atomic else _MAX_MOVES_IN_UNIT
    with sv.packs.writing(repo.id), publish.Landing(sv, repo) as landing:
        landing.put(pack if push.arriving else None)
        for start in range(0, len(ordered), max(size, 1)):
            batch = ordered[start : start + size]
            while moving := push.still_open(batch):
                arriving = any(not command.is_delete for command in moving)
                try:
                    # A pack all of whose refs lost their race stays out.
                    with landing.unit() if arriving else sv.db.write() as tx:
                        refs.move(
                            tx,
                            viewer,
                            repo,
                            [_update(command, commits) for command in moving],
                            consequences=consequences if arriving else Consequences(),
                            now=sv.clock.now(),
                        )
                    # Recorded once; what follows per ref is still to come for the next ones.
                    consequences = replace(consequences, pointers=()) if arriving else consequences
                    break
                except refs.RefRaceLost as error:
                    push.refuse({error.name: STALE})
                except (Conflict, LfsObjectMissing) as error:
                    push.messages.append(error.message)
                    reason = error.message.rstrip(".")
                    push.refuse({command.name: reason for command in moving if not command.is_delete})


def _update(command: RefCommand, commits: Mapping[RefName, Oid]) -> RefUpdate:
    return RefUpdate(
        name=command.name,
        expected=None if command.is_create else command.old,
        new=None if command.is_delete else command.new,
        commit=commits.get(command.name),
    )
