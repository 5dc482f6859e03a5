"""What a repository is to the rest of the product: frozen facts, no rows and no git handles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openhood.base.names import Oid, RefName, RepoId, RepoType, Sha256
from openhood.domain.access import RepoFacts
from openhood.domain.catalog.types import Subject, TipFacts
from openhood.domain.events import RepoSnapshot


@dataclass(frozen=True, slots=True)
class Admission:
    """What a gate knows of the one who stands before it.

    ``status`` is that of their request, or of their organization's (empty: there is none); ``request`` the number
    of the accepted one that lets them in; ``binds_members``: the owner's own members have to ask, too.
    """

    status: str = ""
    request: int | None = None
    binds_members: bool = False


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository the viewer was allowed to find. ``id`` is its number inside this hub."""

    id: int
    hex_id: str
    type: RepoType
    repo_id: RepoId
    owner_id: int
    creator_id: int | None
    visibility: str
    gated: str
    is_disabled: bool
    pack_epoch: int
    head_oid: Oid | None
    created_at: datetime
    last_modified: datetime
    library_name: str | None = None
    resource_group_id: int | None = None
    admission: Admission = Admission()

    @property
    def is_private(self) -> bool:
        """Whether only members may know of it (a protected space is visible, its files are not)."""
        return self.visibility == "private"

    @property
    def facts(self) -> RepoFacts:
        """What `access.decide` needs."""
        namespace_key, name_key = self.repo_id.key
        return RepoFacts(
            type=self.type.value,
            owner_id=self.owner_id,
            creator_id=self.creator_id,
            namespace_key=namespace_key,
            name_key=name_key,
            is_private=self.is_private,
            is_gated=bool(self.gated),
            is_disabled=self.is_disabled,
            has_gate_access=self.admission.request is not None,
            gate_binds_members=self.admission.binds_members,
            is_protected=self.visibility == "protected",
            resource_group_id=self.resource_group_id,
        )

    @property
    def subject(self) -> Subject:
        """What the catalogue files it under."""
        return Subject(self.id, self.type, "/".join(self.repo_id.key), self.owner_id, self.is_private)

    @property
    def snapshot(self) -> RepoSnapshot:
        """What an event keeps of it."""
        return RepoSnapshot(
            self.id,
            self.hex_id,
            self.type.value,
            str(self.repo_id),
            self.owner_id,
            self.is_private,
            self.head_oid,
            self.resource_group_id,
        )

    @property
    def web_path(self) -> str:
        """``/ns/name``, ``/datasets/ns/name`` or ``/spaces/ns/name``."""
        return f"/{self.type.web_prefix}{self.repo_id}"

    @property
    def api_path(self) -> str:
        """``/api/models/ns/name`` and so on."""
        return f"/api/{self.type.plural}/{self.repo_id}"


@dataclass(frozen=True, slots=True)
class At:
    """A revision found: the repository, the commit, and the ref it was reached by (None for an oid)."""

    repo: Repo
    commit: Oid
    ref: RefName | None


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref's row. ``oid`` differs from ``commit_oid`` for an annotated tag only."""

    name: RefName
    oid: Oid
    commit_oid: Oid
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class LfsPointerAt:
    """A path whose blob is an LFS pointer, as a change introduces it."""

    path: str
    sha256: Sha256
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref to be moved by compare-and-set.

    ``expected`` None: the ref must not exist yet. ``new`` None: the ref is deleted.
    ``commit`` is what ``new`` comes down to (itself unless an annotated tag).
    """

    name: RefName
    expected: Oid | None
    new: Oid | None
    commit: Oid | None


@dataclass(frozen=True, slots=True)
class PathChange:
    """A path a commit changed, for the last-commit index. ``deleted`` paths leave it."""

    path: str
    commit_oid: Oid
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class CommitLine:
    """A commit as a pull request's history shows it: its id and the first line of its message."""

    oid: Oid
    subject: str


@dataclass(frozen=True, slots=True)
class Consequences:
    """Everything else that becomes true in the unit in which refs move; all computed beforehand.

    ``changes`` holds, per ref, the last commit of each changed path, newest first and each path once,
    and is complete relative to the ref's old tip; refs not named there lose their index and get it back by a job. ``pointers`` are the
    LFS pointers the change introduced. ``commits`` are those that come to a pull request's ref, oldest first; where
    they are not given, the one new tip with ``message`` is meant.
    """

    tip: TipFacts | None = None
    changes: Mapping[RefName, tuple[PathChange, ...]] = field(default_factory=dict)
    pointers: tuple[LfsPointerAt, ...] = ()
    message: str = ""
    commits: Mapping[RefName, tuple[CommitLine, ...]] = field(default_factory=dict)
