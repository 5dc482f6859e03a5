"""Doing things on a hub as the people of the demonstration, at moments of the past, with the domain's own actions."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from openhood.base.names import RepoId, RepoType, parse_path
from openhood.domain.access import SYSTEM, OrgRole, Viewer
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import sign_in
from openhood.domain.repos import editing, lifecycle
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.commits import create_commit
from openhood.domain.repos.lifecycle import NewRepo, SettingsChange
from openhood.domain.repos.operations import AddFile, AddLfsFile, CommitHeader, Operation
from openhood.domain.services import Services

_LARGE = (".safetensors", ".gguf", ".parquet", ".png")


@dataclass(slots=True)
class PastClock:
    """A clock that stands where it was put."""

    at: datetime

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self.at


@dataclass(slots=True)
class Stage:
    """A hub whose clock can be set back. ``made`` says what was created, for the report at the end."""

    sv: Services
    clock: PastClock
    today: datetime
    made: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, sv: Services) -> Stage:
        """Return the stage on a hub."""
        today = sv.clock.now()
        clock = PastClock(today)
        return cls(replace(sv, clock=clock), clock, today)

    def days_ago(self, days: float) -> None:
        """Let what follows happen so many days ago."""
        self.clock.at = self.today - timedelta(days=days)

    def later(self, hours: float) -> None:
        """Let some hours pass, but never beyond today."""
        self.clock.at = min(self.clock.at + timedelta(hours=hours), self.today)

    # --- people ----------------------------------------------------------------------------------

    def user(self, name: str, fullname: str, details: str, *, password: str, is_admin: bool) -> None:
        """Create a user, unless somebody has the name."""
        if not self._is_free(name):
            return
        accounts.create_user(
            self.sv, SYSTEM, name=name, password=password, fullname=fullname, is_admin=is_admin
        )
        accounts.update_settings(self.sv, self.be(name), name=name, details=details)
        self.made.append(f"user {name}")

    def org(self, name: str, fullname: str, details: str, *, members: Mapping[str, OrgRole]) -> None:
        """Found an organization as its first member, unless somebody has the name."""
        if not self._is_free(name):
            return
        founder = next(iter(members))
        accounts.create_org(self.sv, self.be(founder), name=name, fullname=fullname)
        for member, role in list(members.items())[1:]:
            accounts.set_member(self.sv, self.be(founder), org=name, user=member, role=role)
        accounts.update_settings(self.sv, self.be(founder), name=name, details=details)
        self.made.append(f"organization {name}")

    def be(self, name: str) -> Viewer:
        """Return one of the people as in a browser session."""
        with self.sv.db.read() as tx:
            account = account_rows.get_account(tx, name)
            viewer = None if account is None else sign_in.by_number(tx, account.id)
        assert viewer is not None, name
        return viewer

    def _is_free(self, name: str) -> bool:
        with self.sv.db.read() as tx:
            return account_rows.get_account(tx, name) is None

    # --- repositories ----------------------------------------------------------------------------

    def repo(
        self,
        by: str,
        kind: RepoType,
        name: str,
        files: Mapping[str, bytes],
        *,
        visibility: str = "public",
        gated: str | None = None,
        sdk: str | None = None,
    ) -> bool:
        """Create a repository with its first content; False where there is one already, which stays as it is."""
        repo_id = RepoId.parse(name)
        with self.sv.db.read() as tx:
            if repo_rows.get_repo(tx, kind, repo_id) is not None:
                return False
        lifecycle.create_repo(
            self.sv,
            self.be(by),
            new=NewRepo(
                type=kind,
                namespace=repo_id.namespace,
                name=repo_id.name,
                visibility=visibility,
                card={"sdk": sdk} if sdk else {},
            ),
        )
        self.later(0.2)
        self.commit(by, kind, name, "Add the first version", files)
        if gated is not None:
            lifecycle.update_settings(
                self.sv, self.be(by), repo_type=kind, repo_id=repo_id, change=SettingsChange(gated=gated)
            )
        self.made.append(f"{kind.value} {name}")
        return True

    def commit(
        self,
        by: str,
        kind: RepoType,
        name: str,
        summary: str,
        files: Mapping[str, bytes],
        *,
        description: str = "",
        is_proposal: bool = False,
    ) -> int:
        """Commit files to main, or propose them as a pull request, whose number this returns (else 0)."""
        viewer, repo_id = self.be(by), RepoId.parse(name)
        operations: list[Operation] = []
        for path, content in files.items():
            if path.endswith(_LARGE):
                kept = editing.keep_large(
                    self.sv, viewer, repo_type=kind, repo_id=repo_id, file=io.BytesIO(content)
                )
                operations.append(AddLfsFile(parse_path(path), kept.sha256, kept.size_bytes))
            else:
                operations.append(AddFile(parse_path(path), content))
        done = create_commit(
            self.sv,
            viewer,
            repo_type=kind,
            repo_id=repo_id,
            revision="main",
            header=CommitHeader(summary, description),
            operations=operations,
            create_pr=is_proposal,
        )
        return done.pull_request or 0
