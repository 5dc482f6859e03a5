"""A git directory made for one request: refs as the database had them, objects by reference.

Everything in it is a few small files in a temporary directory; the objects stay where they are and
are seen through ``objects/info/alternates``. Running git on it is `process`'s.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from openhood.base.names import MAIN, Oid
from openhood.engines.git.objects import name_bytes

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tauto = 0
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
"""


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """A ref to show: ``peeled`` is the object behind an annotated tag; None or ``oid`` for all others."""

    name: str
    oid: Oid
    peeled: Oid | None = None


class SnapshotRepo:
    """A context manager holding a temporary bare repository at ``gitdir``; about 1 ms to make.

    *Args*: ``objects_dir`` and ``extra_objects`` are directories with ``pack/``; ``head`` is the ref
    HEAD names; ``workdir`` is where the directory is made (the system's place for such when None).
    ``hide_refs`` are ref prefixes that git neither advertises nor serves by name (as
    ``uploadpack.hideRefs``): never hide ``refs/pr``, whose refs clients fetch by name. They cost an
    ordinary clone nothing, since protocol v2 clients ask for ``refs/heads/`` and ``refs/tags/`` only.

    **Source**: git ``refs/packed-backend.c`` (``peeled``, ``fully-peeled``), ``gitrepository-layout``.
    """

    def __init__(
        self,
        objects_dir: Path,
        refs: Iterable[SnapshotRef],
        *,
        head: str = MAIN,
        workdir: Path | None = None,
        extra_objects: Sequence[Path] = (),
        hide_refs: Sequence[str] = (),
    ) -> None:
        self._directories = (objects_dir, *extra_objects)
        self._refs = refs
        self._head = head
        self._workdir = workdir
        self._hide_refs = hide_refs
        self._gitdir: Path | None = None

    @property
    def gitdir(self) -> Path:
        """Where the repository is, inside the context."""
        if self._gitdir is None:
            raise ValueError("the snapshot is not open")
        return self._gitdir

    def __enter__(self) -> SnapshotRepo:
        gitdir = Path(tempfile.mkdtemp(prefix="snapshot-", suffix=".git", dir=self._workdir))
        self._gitdir = gitdir
        try:
            self._fill(gitdir)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the directory. Safe when called twice."""
        if self._gitdir is not None:
            shutil.rmtree(self._gitdir, ignore_errors=True)
            self._gitdir = None

    def _fill(self, gitdir: Path) -> None:
        (gitdir / "objects" / "info").mkdir(parents=True)
        (gitdir / "objects" / "pack").mkdir()
        (gitdir / "refs").mkdir()
        alternates = "".join(f"{directory.absolute()}\n" for directory in self._directories)
        (gitdir / "objects" / "info" / "alternates").write_text(alternates, "utf-8")
        hidden = "".join(f"\thideRefs = {prefix}\n" for prefix in self._hide_refs)
        (gitdir / "config").write_text(_CONFIG + hidden, "utf-8")
        lines = ["# pack-refs with: peeled fully-peeled sorted \n"]
        for ref in sorted(self._refs, key=lambda ref: name_bytes(ref.name)):
            lines.append(f"{ref.oid} {ref.name}\n")
            if ref.peeled is not None and ref.peeled != ref.oid:
                lines.append(f"^{ref.peeled}\n")
        (gitdir / "packed-refs").write_text("".join(lines), "utf-8", "surrogateescape")
        # Written last: without HEAD git does not take the directory for a repository.
        (gitdir / "HEAD").write_text(f"ref: {self._head}\n", "utf-8", "surrogateescape")
