"""Git over HTTP with the real git: clones, fetches, pushes, and everything the hub must refuse."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import os
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, update

from api.conftest import HubMaker
from api.content import Content, Large
from openhood.base.names import MAIN, RepoId, RepoType
from openhood.base.settings import GitLimits, Limits
from openhood.domain.access import SYSTEM
from openhood.domain.repos import lifecycle
from openhood.domain.repos.types import Repo
from openhood.engines.git.wire import FLUSH, pkt
from openhood.infra.db.tables import aliases, discussions, jobs, last_commits, lfs_files, packs, repos
from openhood.infra.db.tables import refs as refs_table
from openhood.infra.ids import new_hex_id
from openhood.testing.hub import HubUnderTest
from openhood.testing.tcp import Door, Git, Ran, serve

ZERO = "0" * 40


@dataclass
class Site:
    """A hub over TCP, a git to use it with, and alice, who owns things."""

    hub: HubUnderTest
    url: str
    git: Git
    token: str

    def remote(self, path: str, token: str | None = None) -> str:
        """The URL of a repository with credentials in it."""
        return self.url.replace("://", f"://user:{token or self.token}@") + "/" + path

    def content(self, repo_id: str = "alice/m", **options: object) -> Content:
        """A new repository without any commit."""
        return Content(self.hub.sv, repo_id, **options)  # type: ignore[arg-type]

    def refs(self, content: Content) -> dict[str, str]:
        """All refs of a repository, as the database has them."""
        number = content.repo.id
        with self.hub.sv.db.read() as tx:
            chosen = select(refs_table.c.name, refs_table.c.oid).where(refs_table.c.repo_id == number)
            return {row.name: row.oid for row in tx.execute(chosen)}

    def pack_count(self, content: Content) -> int:
        """How many packs the repository has."""
        number = content.repo.id
        with self.hub.sv.db.read() as tx:
            return len(tx.execute(select(packs.c.name).where(packs.c.repo_id == number)).all())

    def scratch_is_empty(self) -> bool:
        """Whether no quarantine or snapshot was left behind."""
        # The answer is out a moment before the last directory is gone.
        deadline = time.monotonic() + 5
        while list(self.hub.sv.packs.scratch.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return not list(self.hub.sv.packs.scratch.iterdir())

    def open_pull(self, repo: Repo, number: int, author: str = "alice", status: str = "open") -> None:
        """Write a pull request's row."""
        with self.hub.sv.db.write() as tx:
            author_id = tx.exec_driver_sql("SELECT id FROM accounts WHERE name = ?", (author,)).scalar_one()
            tx.execute(
                insert(discussions).values(
                    hex_id=new_hex_id(),
                    repo_id=repo.id,
                    number=number,
                    title="A change",
                    author_id=author_id,
                    status=status,
                    is_pull_request=True,
                    base_ref=MAIN,
                    created_at=self.hub.sv.clock.now(),
                )
            )


SiteMaker = Callable[..., Site]


@pytest.fixture(scope="module")
def door() -> Iterator[tuple[Door, str]]:
    """One port for all tests here: starting and stopping a server takes longer than most of them."""
    opened = Door()
    with serve(opened) as url:
        yield opened, url


@pytest.fixture
def make_site(make_hub: HubMaker, door: tuple[Door, str], tmp_path: Path) -> SiteMaker:
    """A function that opens a hub with the given settings, over TCP."""

    def make(**settings: object) -> Site:
        hub = make_hub(**settings)
        door[0].behind = hub.asgi
        return Site(hub, door[1], Git(tmp_path), hub.add_user("alice"))

    return make


@pytest.fixture
def site(make_site: SiteMaker) -> Site:
    """A hub over TCP."""
    return make_site()


def start(site: Site, content: Content, files: dict[str, str | bytes | None] | None = None) -> Path:
    """Push a first commit to an empty repository; returns the work tree."""
    work = site.git.work_tree(f"work-{content.repo_id.name}")
    site.git.commit(work, files or {"a.txt": "one\n", "dir/b.txt": "two\n"}, "first")
    site.git("remote", "add", "origin", site.remote(f"{content.kind.web_prefix}{content.repo_id}"), cwd=work)
    site.git("push", "--quiet", "origin", "main", cwd=work)
    return work


# Fetching


@pytest.mark.parametrize("protocol", ["0", "1", "2"])
def test_clone_brings_every_file_and_passes_fsck(site: Site, protocol: str) -> None:
    content = site.content()
    content.commit({"a.txt": b"one\n", "dir/b.txt": b"two\n"}, message="First")
    tip = content.commit({"dir/b.txt": b"three\n"}, message="Second")
    clone = site.git.home / "clone"
    site.git("-c", f"protocol.version={protocol}", "clone", "--quiet", f"{site.url}/alice/m", str(clone))
    assert (clone / "a.txt").read_text() == "one\n"
    assert (clone / "dir/b.txt").read_text() == "three\n"
    assert site.git("rev-parse", "HEAD", cwd=clone).strip() == tip
    assert site.git("log", "--format=%s", cwd=clone) == "Second\nFirst\n"
    checked = site.git.run("fsck", "--full", "--strict", cwd=clone)
    assert checked.code == 0
    assert "error" not in checked.text
    assert site.scratch_is_empty()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (RepoType.MODEL, "alice/m"),
        (RepoType.MODEL, "alice/m.git"),
        (RepoType.MODEL, "/alice/m/"),
        (RepoType.DATASET, "datasets/alice/m"),
        (RepoType.DATASET, "datasets/alice/m.git"),
        (RepoType.SPACE, "spaces/alice/m"),
        (RepoType.SPACE, "spaces/alice/m.git"),
        (RepoType.MODEL, "ALICE/M"),
    ],
)
def test_every_url_shape_names_its_repository(site: Site, kind: RepoType, path: str) -> None:
    content = site.content(kind=kind)
    tip = content.commit({"a": b"1"})
    listed = site.git("ls-remote", f"{site.url}/{path}")
    assert listed == f"{tip}\tHEAD\n{tip}\trefs/heads/main\n"


@pytest.mark.parametrize("protocol", ["0", "2"])
def test_clone_of_an_empty_repository_then_first_push(site: Site, protocol: str) -> None:
    content = site.content()
    clone = site.git.home / "clone"
    version = f"protocol.version={protocol}"
    done = site.git.run("-c", version, "clone", site.remote("alice/m"), str(clone))
    assert done.code == 0
    assert "empty repository" in done.text
    assert site.git("symbolic-ref", "HEAD", cwd=clone).strip() == MAIN
    tip = site.git.commit(clone, {"a": "1"})
    site.git("-c", version, "push", "--quiet", "origin", "main", cwd=clone)
    assert site.refs(content) == {MAIN: tip}


@pytest.mark.parametrize("protocol", ["0", "2"])
def test_shallow_and_partial_clones(site: Site, protocol: str) -> None:
    content = site.content()
    for number in range(3):
        content.commit({"a.txt": f"{number}".encode(), f"big{number}.bin": bytes([number]) * 5000})
    version = f"protocol.version={protocol}"
    shallow = site.git.home / "shallow"
    site.git("-c", version, "clone", "--quiet", "--depth", "1", f"{site.url}/alice/m", str(shallow))
    assert site.git("rev-list", "--count", "HEAD", cwd=shallow) == "1\n"
    site.git("-c", version, "fetch", "--quiet", "--unshallow", cwd=shallow)
    assert site.git("rev-list", "--count", "HEAD", cwd=shallow) == "3\n"
    partial = site.git.home / "partial"
    filters = ("--filter=blob:none", "--no-checkout")
    site.git("-c", version, "clone", "--quiet", *filters, f"{site.url}/alice/m", str(partial))
    missing = site.git("rev-list", "--objects", "--all", "--missing=print", cwd=partial)
    assert missing.count("?") == 6
    site.git("-c", version, "checkout", "--quiet", "main", cwd=partial)
    assert (partial / "big2.bin").read_bytes() == b"\x02" * 5000


def test_pull_request_refs_are_fetched_by_name_and_not_listed(site: Site) -> None:
    content = site.content()
    tip = content.commit({"a": b"1"})
    proposal = content.commit({"a": b"2"}, ref="refs/pr/7", start=tip)
    content.point("refs/convert/parquet", tip)
    assert "refs/pr/7" not in site.git("ls-remote", f"{site.url}/alice/m")
    assert "refs/convert/parquet" in site.git("ls-remote", f"{site.url}/alice/m")
    for protocol in ("0", "2"):
        work = site.git.work_tree(f"by-name-{protocol}")
        version = f"protocol.version={protocol}"
        site.git("-c", version, "fetch", "--quiet", f"{site.url}/alice/m", "refs/pr/7:pr/7", cwd=work)
        assert site.git("rev-parse", "pr/7", cwd=work).strip() == proposal
    work = site.git.work_tree("all")
    site.git("fetch", "--quiet", f"{site.url}/alice/m", "refs/pr/*:refs/pulls/*", cwd=work)
    assert site.git("rev-parse", "refs/pulls/7", cwd=work).strip() == proposal


def test_fetch_brings_only_what_is_new(site: Site) -> None:
    content = site.content()
    content.commit({f"d/{number}.txt": f"{number}\n".encode() for number in range(200)})
    clone = site.git.home / "clone"
    site.git("clone", "--quiet", f"{site.url}/alice/m", str(clone))
    tip = content.commit({"d/0.txt": b"changed\n"})
    said = site.git.run("pull", "--ff-only", cwd=clone, env={"GIT_TRACE_PACKET": "1"})
    assert said.code == 0
    assert site.git("rev-parse", "HEAD", cwd=clone).strip() == tip
    assert "packfile" in said.text
    assert site.git("count-objects", "-v", cwd=clone).startswith("count: 4\n")


def test_fetch_with_a_gzipped_negotiation(site: Site) -> None:
    content = site.content()
    tip = content.commit({"a": b"1"})
    request = (
        pkt("command=fetch") + pkt("object-format=sha1") + b"0001" + pkt(f"want {tip}\n") + pkt("done\n")
    )
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
    }
    body = gzip.compress(request + FLUSH)
    answer = httpx.post(f"{site.url}/alice/m/git-upload-pack", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-git-upload-pack-result"
    assert answer.headers["cache-control"] == "no-cache, max-age=0, must-revalidate"
    assert b"packfile" in answer.content
    assert b"PACK" in answer.content


def test_fetch_of_an_unknown_object_is_told_by_git(site: Site) -> None:
    content = site.content()
    content.commit({"a": b"1"})
    work = site.git.work_tree("work")
    done = site.git.run("fetch", f"{site.url}/alice/m", "1" * 40, cwd=work)
    assert done.code != 0
    assert "not our ref" in done.text
    assert site.scratch_is_empty()


def test_the_advertisements_are_what_git_expects(site: Site) -> None:
    content = site.content()
    tip = content.commit({"a": b"1"})
    base = f"{site.url}/alice/m/info/refs?service="
    old = httpx.get(base + "git-upload-pack")
    assert old.headers["content-type"] == "application/x-git-upload-pack-advertisement"
    assert old.content.startswith(b"001e# service=git-upload-pack\n0000")
    assert f"{tip} refs/heads/main".encode() in old.content
    assert b"symref=HEAD:refs/heads/main" in old.content
    new = httpx.get(base + "git-upload-pack", headers={"Git-Protocol": "version=2"})
    assert new.content.startswith(b"000eversion 2\n")
    assert b"fetch=shallow" in new.content
    assert b"filter" in new.content
    push = httpx.get(base + "git-receive-pack", auth=("x", site.token))
    assert push.headers["content-type"] == "application/x-git-receive-pack-advertisement"
    assert push.headers["cache-control"] == "no-cache, max-age=0, must-revalidate"
    assert f"{tip} refs/heads/main\0".encode() in push.content
    for word in (b"report-status", b"delete-refs", b"side-band-64k", b"atomic", b"ofs-delta", b"quiet"):
        assert word in push.content


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "alice/m/info/refs", {}, 400),
        ("GET", "alice/m/info/refs?service=git-upload-archive", {}, 400),
        ("GET", "alice/m.git/HEAD", {}, 404),
        ("GET", "alice/m.git/objects/info/packs", {}, 404),
        ("PUT", "alice/m/git-upload-pack", {}, 405),
        ("POST", "alice/m/git-upload-pack", {"Content-Type": "text/plain"}, 415),
        ("POST", "alice/m/git-receive-pack", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_requests_that_are_not_smart_git_get_a_clear_refusal(
    site: Site, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    site.content().commit({"a": b"1"})
    answer = httpx.request(method, f"{site.url}/{path}", headers=headers)
    assert answer.status_code == status
    assert len(answer.text) > 10


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"zzzz",
        b"ffff" + b"x" * 10,
        pkt("command=ls-refs") + b"0001" + pkt("no-such-argument"),
        pkt("command=ls-refs") + b"0001" + pkt("no-such-argument") + FLUSH,
    ],
)
def test_garbage_instead_of_a_fetch_is_refused(site: Site, body: bytes) -> None:
    site.content().commit({"a": b"1"})
    headers = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
    answer = httpx.post(f"{site.url}/alice/m/git-upload-pack", content=body, headers=headers)
    assert answer.status_code in (200, 400)
    assert answer.status_code == 400 or answer.content in (b"", answer.content)
    assert b"PACK" not in answer.content
    assert site.scratch_is_empty()


# Who may


def test_a_private_repository_looks_missing_to_strangers(site: Site) -> None:
    site.content(visibility="private").commit({"a": b"1"})
    stranger = site.hub.add_user("bob")
    for service in ("git-upload-pack", "git-receive-pack"):
        answers = []
        for name in ("m", "missing"):
            url = f"{site.url}/alice/{name}/info/refs?service={service}"
            for auth in (None, ("x", stranger), ("x", "hf_wrong")):
                answer = httpx.get(url, auth=auth)
                answers.append(
                    (name, answer.status_code, answer.text, answer.headers.get("www-authenticate"))
                )
        assert [each[1:] for each in answers[:3]] == [each[1:] for each in answers[3:]]
        assert [each[1] for each in answers[:3]] == [401, 404, 401]
        assert answers[0][3] is not None
        assert answers[0][3].startswith("Basic realm=")


def test_tokens_open_a_private_repository_in_every_form(site: Site) -> None:
    tip = site.content(visibility="private").commit({"a": b"1"})
    host = site.url.removeprefix("http://")
    for credentials in (f"alice:{site.token}", f"hf_user:{site.token}", site.token, f"{site.token}:"):
        assert tip in site.git("ls-remote", f"http://{credentials}@{host}/alice/m")
    done = site.git.run("clone", f"{site.url}/alice/m", "nowhere")
    assert done.code != 0
    assert "could not read Username" in done.text
    wrong = site.git.run("clone", site.remote("alice/m", "hf_wrong"), "nowhere")
    assert wrong.code != 0
    assert "Authentication failed" in wrong.text


def test_a_gated_repository_is_cloned_with_access_only(site: Site) -> None:
    site.content(gated="manual").commit({"a": b"1"})
    stranger = site.hub.add_user("bob")
    refused = site.git.run("clone", site.remote("alice/m", stranger), "nowhere")
    assert refused.code != 0
    assert "403" in refused.text
    assert "not in the authorized list" in refused.text
    site.git("clone", "--quiet", site.remote("alice/m"), "mine")


def test_pushing_needs_a_token_that_may_write(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    before = site.refs(content)
    site.git.commit(work, {"c": "3"})
    read_token = site.hub.add_token("alice", role="read", name="reader")
    refused = site.git.run("push", site.remote("alice/m", read_token), "main", cwd=work)
    assert refused.code != 0
    assert "403" in refused.text
    assert "role 'read'" in refused.text
    bob = site.hub.add_user("bob")
    refused = site.git.run("push", site.remote("alice/m", bob), "main", cwd=work)
    assert refused.code != 0
    assert "You may not push" in refused.text
    anonymous = httpx.get(f"{site.url}/alice/m/info/refs?service=git-receive-pack")
    assert anonymous.status_code == 401
    assert "Basic" in anonymous.headers["www-authenticate"]
    headers = {"Content-Type": "application/x-git-receive-pack-request"}
    for auth, status in ((None, 401), (("x", bob), 403), (("x", read_token), 403)):
        posted = httpx.post(f"{site.url}/alice/m/git-receive-pack", content=FLUSH, headers=headers, auth=auth)
        assert posted.status_code == status
    assert site.refs(content) == before


def test_a_renamed_repository_is_followed_by_clone_and_push(site: Site) -> None:
    content = site.content("alice/old-name")
    work = start(site, content)
    lifecycle.move_repo(
        site.hub.sv,
        SYSTEM,
        repo_type=RepoType.MODEL,
        old=RepoId("alice", "old-name"),
        new=RepoId("alice", "new-name"),
    )
    answer = httpx.get(f"{site.url}/alice/old-name.git/info/refs?service=git-upload-pack")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/alice/new-name.git/info/refs?service=git-upload-pack"
    tip = site.git.commit(work, {"c": "3"})
    site.git("push", "--quiet", "origin", "main", cwd=work)
    site.git("clone", "--quiet", f"{site.url}/alice/old-name", "clone")
    assert site.git("rev-parse", "HEAD", cwd=site.git.home / "clone").strip() == tip


@pytest.mark.parametrize("path", ["gpt2", "gpt2.git", "GPT2"])
def test_a_single_name_leads_to_its_repository(site: Site, path: str) -> None:
    tip = site.content("alice/gpt2-real").commit({"a": b"1"})
    with site.hub.sv.db.write() as tx:
        tx.execute(
            insert(aliases).values(
                type="model",
                name_key="gpt2",
                name="gpt2",
                target="alice/gpt2-real",
                created_at=site.hub.sv.clock.now(),
            )
        )
    assert tip in site.git("ls-remote", f"{site.url}/{path}")
    missing = httpx.get(f"{site.url}/no-such-alias/info/refs?service=git-upload-pack")
    assert missing.status_code == 401


# Pushing


def test_push_moves_the_branch_and_all_that_follows(site: Site) -> None:
    content = site.content()
    work = start(
        site, content, {"README.md": "---\nlicense: mit\ntags: [x]\n---\n# Hi\n", "dir/b.txt": "two\n"}
    )
    first = site.git("rev-parse", "HEAD", cwd=work).strip()
    tip = site.git.commit(work, {"dir/b.txt": "three\n", "new.txt": "n"})
    site.git("push", "--quiet", "origin", "main", cwd=work)
    assert site.refs(content) == {MAIN: tip}
    assert site.pack_count(content) == 2
    number = content.repo.id
    with site.hub.sv.db.read() as tx:
        row = tx.execute(select(repos).where(repos.c.id == number)).one()
        index = {
            (each.dir, each.name): each.commit_oid
            for each in tx.execute(select(last_commits).where(last_commits.c.repo_id == number))
        }
        queued = set(tx.execute(select(jobs.c.kind)).scalars())
    assert row.head_oid == tip
    assert row.card == {"license": "mit", "tags": ["x"]}
    assert "license:mit" in row.tags
    assert index == {("", "README.md"): first, ("", "dir"): tip, ("dir", "b.txt"): tip, ("", "new.txt"): tip}
    assert "refresh_storage" in queued
    assert "index_last_commits" not in queued
    clone = site.git.home / "again"
    site.git("clone", "--quiet", f"{site.url}/alice/m", str(clone))
    assert site.git("rev-parse", "HEAD", cwd=clone).strip() == tip
    assert site.scratch_is_empty()


def test_push_of_branches_tags_and_deletions(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    tip = site.git("rev-parse", "HEAD", cwd=work).strip()
    site.git("branch", "dev", cwd=work)
    site.git("branch", "feature/x", cwd=work)
    site.git("tag", "light", cwd=work)
    site.git("tag", "-a", "v1", "-m", "one", cwd=work)
    annotated = site.git("rev-parse", "v1", cwd=work).strip()
    site.git("push", "--quiet", "origin", "dev", "feature/x", "light", "v1", cwd=work)
    assert site.refs(content) == {
        MAIN: tip,
        "refs/heads/dev": tip,
        "refs/heads/feature/x": tip,
        "refs/tags/light": tip,
        "refs/tags/v1": annotated,
    }
    assert f"{tip}\trefs/tags/v1^{{}}" in site.git("ls-remote", f"{site.url}/alice/m")
    site.git("push", "--quiet", "origin", ":feature/x", ":refs/tags/v1", cwd=work)
    assert set(site.refs(content)) == {MAIN, "refs/heads/dev", "refs/tags/light"}
    # A branch may take the place of a folder of branches, in one push, and not beside it.
    site.git("push", "--quiet", "origin", ":dev", "HEAD:refs/heads/dev/one", cwd=work)
    beside = site.git.run("push", "origin", "HEAD:refs/heads/dev", cwd=work)
    assert beside.code != 0
    assert "cannot exist beside refs/heads/dev/one" in beside.text


def test_the_main_branch_cannot_be_deleted(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    refused = site.git.run("push", "origin", ":main", cwd=work)
    assert refused.code != 0
    assert "the branch 'main' is protected" in refused.text
    assert MAIN in site.refs(content)


@pytest.mark.parametrize(
    "ref", ["refs/notes/commits", "refs/pr/x", "refs/convert/parquet", "refs/x", "refs/pr/12/head"]
)
def test_other_refs_cannot_be_pushed(site: Site, ref: str) -> None:
    content = site.content()
    work = start(site, content)
    refused = site.git.run("push", "origin", f"HEAD:{ref}", cwd=work)
    assert refused.code != 0
    assert "only branches (refs/heads/), tags (refs/tags/) and pull requests" in refused.text
    assert set(site.refs(content)) == {MAIN}


def test_a_push_that_is_behind_is_rejected_then_rebased(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    other = site.git.home / "other"
    site.git("clone", "--quiet", site.remote("alice/m"), str(other))
    site.git.commit(work, {"theirs.txt": "t"})
    site.git("push", "--quiet", "origin", "main", cwd=work)
    site.git.commit(other, {"mine.txt": "m"})
    rejected = site.git.run("push", "origin", "main", cwd=other)
    assert rejected.code != 0
    assert "fetch first" in rejected.text
    site.git("pull", "--quiet", "--rebase", cwd=other)
    tip = site.git("rev-parse", "HEAD", cwd=other).strip()
    site.git("push", "--quiet", "origin", "main", cwd=other)
    assert site.refs(content) == {MAIN: tip}


def test_force_push_rewrites_a_branch_and_leaves_its_index_to_the_job(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    site.git("commit", "--quiet", "--amend", "-m", "other words", cwd=work)
    tip = site.git("rev-parse", "HEAD", cwd=work).strip()
    assert site.git.run("push", "origin", "main", cwd=work).code != 0
    site.git("push", "--quiet", "--force", "origin", "main", cwd=work)
    assert site.refs(content) == {MAIN: tip}
    with site.hub.sv.db.read() as tx:
        assert "index_last_commits" in set(tx.execute(select(jobs.c.kind)).scalars())
        assert not tx.execute(select(refs_table.c.indexed).where(refs_table.c.name == MAIN)).scalar_one()
    site.git("push", "--quiet", "--force-with-lease", "origin", "main", cwd=work)


def test_an_atomic_push_moves_all_refs_or_none(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    site.git("branch", "dev", cwd=work)
    tip = site.git.commit(work, {"c": "3"})
    before = site.refs(content)
    refused = site.git.run("push", "--atomic", "origin", "main", "dev", "HEAD:refs/x/y", cwd=work)
    assert refused.code != 0
    assert "atomic push failed" in refused.text
    assert site.refs(content) == before
    partly = site.git.run("push", "origin", "main", "dev", "HEAD:refs/x/y", cwd=work)
    assert partly.code != 0
    assert site.refs(content) == {**before, MAIN: tip, "refs/heads/dev": before[MAIN]}
    site.git("push", "--quiet", "--atomic", "origin", "main", "HEAD:refs/heads/other", cwd=work)
    assert site.refs(content)["refs/heads/other"] == tip


def test_mirror_push_and_mirror_clone_are_the_same(site: Site) -> None:
    content = site.content()
    work = site.git.work_tree("work")
    for number in range(3):
        site.git.commit(work, {f"{number}.txt": "x" * number})
        site.git("tag", f"v{number}", cwd=work)
    site.git("branch", "side", "v1", cwd=work)
    site.git("push", "--quiet", "--mirror", site.remote("alice/m"), cwd=work)
    expected = dict(reversed(line.split(" ", 1)) for line in site.git("show-ref", cwd=work).splitlines())
    assert site.refs(content) == expected
    mirror = site.git.home / "mirror.git"
    site.git("clone", "--quiet", "--mirror", f"{site.url}/alice/m", str(mirror))
    assert site.git("show-ref", cwd=mirror) == site.git("show-ref", cwd=work)
    site.git("tag", "-d", "v2", cwd=work)
    site.git("push", "--quiet", "--mirror", site.remote("alice/m"), cwd=work)
    assert "refs/tags/v2" not in site.refs(content)


def test_push_to_pull_requests(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    bob = site.hub.add_user("bob")
    base = site.refs(content)[MAIN]
    content.point("refs/pr/1", base)
    content.point("refs/pr/2", base)
    content.point("refs/pr/3", base)
    site.open_pull(content.repo, 1, author="bob")
    site.open_pull(content.repo, 2, author="alice")
    site.open_pull(content.repo, 3, author="bob", status="closed")
    tip = site.git.commit(work, {"c": "3"})
    # bob may push to his own open one only; alice, who owns the repository, to all open ones.
    for remote, ref, reason in (
        (site.remote("alice/m", bob), "refs/pr/1", None),
        (site.remote("alice/m", bob), "refs/pr/2", "pull request 2 is not yours"),
        (site.remote("alice/m", bob), "refs/pr/3", "pull request 3 is closed"),
        (site.remote("alice/m", bob), "refs/pr/9", "there is no pull request 9"),
        (site.remote("alice/m", bob), "refs/heads/main", "you may not write to this repository"),
        (site.remote("alice/m"), "refs/pr/2", None),
        (site.remote("alice/m"), "refs/pr/3", "pull request 3 is closed"),
    ):
        done = site.git.run("push", remote, f"HEAD:{ref}", cwd=work)
        assert (done.code == 0) == (reason is None), done.text
        assert reason is None or reason in done.text
    gone = site.git.run("push", site.remote("alice/m"), ":refs/pr/1", cwd=work)
    assert "cannot be deleted" in gone.text
    assert site.refs(content) == {MAIN: base, "refs/pr/1": tip, "refs/pr/2": tip, "refs/pr/3": base}


def test_a_push_from_a_shallow_clone(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    site.git.commit(work, {"c": "3"})
    site.git("push", "--quiet", "origin", "main", cwd=work)
    shallow = site.git.home / "shallow"
    site.git("clone", "--quiet", "--depth", "1", site.remote("alice/m"), str(shallow))
    tip = site.git.commit(shallow, {"d": "4"})
    site.git("push", "--quiet", "origin", "main", cwd=shallow)
    assert site.refs(content) == {MAIN: tip}


def test_a_large_push_in_chunks(site: Site) -> None:
    content = site.content()
    work = site.git.work_tree("work")
    noise = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(100_000))
    tip = site.git.commit(work, {"noise.bin": noise})
    # Over http.postBuffer git sends chunks, after a probe that holds a flush only.
    site.git("push", "--quiet", site.remote("alice/m"), "main", cwd=work)
    assert site.refs(content) == {MAIN: tip}
    site.git("clone", "--quiet", f"{site.url}/alice/m", "clone")
    assert (site.git.home / "clone/noise.bin").read_bytes() == noise


def test_a_push_of_very_many_refs(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    tip = site.git("rev-parse", "HEAD", cwd=work).strip()
    tags = [f"refs/tags/t{number:03}" for number in range(450)]
    lines = "".join(f"{tip} {tag}\n" for tag in tags)
    (work / ".git" / "packed-refs").write_text(f"# pack-refs with: peeled fully-peeled sorted \n{lines}")
    site.git("push", "--quiet", "origin", "--tags", cwd=work)
    assert site.refs(content) == {MAIN: tip, **dict.fromkeys(tags, tip)}
    site.git("push", "--quiet", "--atomic", "origin", *[f":{tag}" for tag in tags[:300]], cwd=work)
    assert site.refs(content) == {MAIN: tip, **dict.fromkeys(tags[300:], tip)}


# Content that is refused


def test_a_file_too_large_for_git_is_refused_with_the_way_out(make_site: SiteMaker) -> None:
    site = make_site(limits=Limits(regular_file_bytes=100_000))
    content = site.content()
    work = start(site, content)
    before = site.refs(content)
    site.git.commit(work, {"data/large file.bin": bytes(100_001)})
    site.git.commit(work, {"data/large file.bin": None})  # it is in the history all the same
    refused = site.git.run("push", "origin", "main", cwd=work)
    assert refused.code != 0
    assert "data/large file.bin (100001 bytes)" in refused.text
    assert 'git lfs migrate import --include="data/large file.bin"' in refused.text
    assert "files larger than 100000 bytes must be stored with git-lfs" in refused.text
    assert site.refs(content) == before
    # The other branch of the same push comes in, and the large file does not come with it.
    site.git("branch", "small", "HEAD~2", cwd=work)
    tip = site.git.commit_on(work, "small", {"small.txt": "s"})
    packs_before = site.pack_count(content)
    partly = site.git.run("push", "origin", "main", "small", cwd=work)
    assert partly.code != 0
    assert site.refs(content) == {**before, "refs/heads/small": tip}
    assert site.pack_count(content) == packs_before + 1
    blob = site.git("rev-parse", "main~1:data/large file.bin", cwd=work).strip()
    fetched = site.git.run("fetch", "origin", blob, cwd=site.git.work_tree("elsewhere"))
    assert fetched.code != 0
    assert site.scratch_is_empty()


def test_pointers_must_name_objects_of_this_repository(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    before = site.refs(content)
    large = Large(b"large content")
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{large.sha256}\nsize {len(large.data)}\n"
    )
    site.git.commit(work, {"model.bin": pointer})
    refused = site.git.run("push", "origin", "main", cwd=work)
    assert refused.code != 0
    assert f"model.bin ({large.sha256})" in refused.text
    assert "git lfs push --all" in refused.text
    other = site.content("alice/other")
    other.store_large(other.repo, large)  # somebody else's object does not count
    assert site.git.run("push", "origin", "main", cwd=work).code != 0
    assert site.refs(content) == before
    content.store_large(content.repo, large)
    site.git("push", "--quiet", "origin", "main", cwd=work)
    number = content.repo.id
    with site.hub.sv.db.read() as tx:
        listed = tx.execute(select(lfs_files).where(lfs_files.c.repo_id == number)).one()
    assert (listed.path, listed.sha256, listed.size_bytes) == ("model.bin", large.sha256, len(large.data))
    site.git.commit(work, {"wrong.bin": pointer.replace(f"size {len(large.data)}", "size 99")})
    refused = site.git.run("push", "origin", "main", cwd=work)
    assert "says 99 bytes, is 13" in refused.text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"bad\x01name", "it contains a control character"),
        (b"latin-\xe9", "it is not valid UTF-8"),
        (b"x" * 250 + b"\xc3\xa9" * 10, "a segment is longer than 255 bytes"),
        (b"new\nline", "it contains a control character"),
    ],
)
def test_paths_that_clients_cannot_hold_are_refused(site: Site, name: bytes, why: str) -> None:
    content = site.content()
    work = start(site, content)
    before = site.refs(content)
    push_tree(site, work, [(b"100644", name, "x")])
    refused = site.git.run("push", "origin", "HEAD:main", "--force", cwd=work)
    assert refused.code != 0
    assert "invalid paths" in refused.text
    assert why in refused.text
    assert site.refs(content) == before


def test_a_git_directory_inside_a_push_is_refused(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    before = site.refs(content)
    push_tree(site, work, [(b"100644", b".git", "x")])
    refused = site.git.run("push", "origin", "HEAD:main", "--force", cwd=work)
    assert refused.code != 0
    assert "hasDotgit" in refused.text
    assert site.refs(content) == before


def test_new_names_that_differ_in_case_only_are_refused(site: Site) -> None:
    content = site.content()
    work = start(site, content, {"Readme.txt": "1", "sub/x": "1"})
    before = site.refs(content)
    site.git.commit(work, {"README.txt": "2"})
    refused = site.git.run("push", "origin", "main", cwd=work)
    assert "differ only in letter case" in refused.text
    site.git("reset", "--quiet", "--hard", "HEAD~1", cwd=work)
    site.git.commit(work, {"Sub/y": "2"})
    refused = site.git.run("push", "origin", "main", cwd=work)
    assert "Sub" in refused.text
    assert "differ only in letter case" in refused.text
    assert site.refs(content) == before


def test_an_invalid_card_is_warned_about_and_not_refused(site: Site) -> None:
    content = site.content()
    work = site.git.work_tree("work")
    tip = site.git.commit(work, {"README.md": "---\nlicense: [mit\n---\n# Hi\n"})
    done = site.git.run("push", site.remote("alice/m"), "main", cwd=work)
    assert done.code == 0
    assert "remote: Warning: the metadata at the top of README.md is not valid" in done.text
    assert site.refs(content) == {MAIN: tip}


def push_tree(site: Site, work: Path, entries: list[tuple[bytes, bytes, str]]) -> None:
    """Commit a tree that git's own commands would not make."""
    raw = b""
    for mode, name, text in entries:
        blob = site.git.write_object(work, "blob", text.encode())
        raw += mode + b" " + name + b"\0" + bytes.fromhex(blob)
    tree = site.git.write_object(work, "tree", raw)
    parent = site.git("rev-parse", "HEAD", cwd=work).strip()
    commit = site.git("commit-tree", tree, "-p", parent, "-m", "odd", cwd=work).strip()
    site.git("update-ref", "refs/heads/main", commit, cwd=work)


# Requests by hand


def pack_of(*objects: tuple[int, bytes], count: int | None = None) -> bytes:
    """A pack of undeltified objects, given as (type, data)."""
    body = b"PACK" + struct.pack(">II", 2, len(objects) if count is None else count)
    for kind, data in objects:
        size = len(data)
        byte = kind << 4 | size & 15
        size >>= 4
        while size:
            body += bytes([byte | 0x80])
            byte, size = size & 0x7F, size >> 7
        body += bytes([byte]) + zlib.compress(data)
    return body + hashlib.sha1(body).digest()


def oid_of(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).hexdigest()


WHO = b"A <a@example.org> 1700000000 +0000"
BLOB = b"hello"
TREE = b"100644 f\0" + bytes.fromhex(oid_of("blob", BLOB))
COMMIT = b"tree " + oid_of("tree", TREE).encode() + b"\nauthor " + WHO + b"\ncommitter " + WHO + b"\n\nhi\n"
TIP = oid_of("commit", COMMIT)


def post(site: Site, body: bytes, path: str = "alice/m") -> httpx.Response:
    headers = {"Content-Type": "application/x-git-receive-pack-request"}
    return httpx.post(
        f"{site.url}/{path}/git-receive-pack",
        content=body,
        headers=headers,
        auth=("x", site.token),
        timeout=60,
    )


def command(new: str, *, old: str = ZERO, ref: str = MAIN, words: str = "report-status") -> bytes:
    return pkt(f"{old} {new} {ref}\0{words}") + FLUSH


def test_a_push_by_hand(site: Site) -> None:
    content = site.content()
    answer = post(site, command(TIP) + pack_of((1, COMMIT), (2, TREE), (3, BLOB)))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-git-receive-pack-result"
    assert answer.content == pkt("unpack ok\n") + pkt(f"ok {MAIN}\n") + FLUSH
    assert site.refs(content) == {MAIN: TIP}
    again = post(site, command(TIP) + pack_of((1, COMMIT), (2, TREE), (3, BLOB)))
    assert pkt(f"ng {MAIN} fetch first\n") in again.content
    assert site.pack_count(content) == 1


def test_objects_that_no_pushed_commit_needs_stay_out(site: Site) -> None:
    site.content()
    answer = post(site, command(TIP) + pack_of((1, COMMIT), (2, TREE), (3, BLOB), (3, b"smuggled")))
    assert pkt(f"ok {MAIN}\n") in answer.content
    with site.hub.sv.db.read() as tx:
        assert tx.execute(select(packs.c.object_count)).scalar_one() == 3


@pytest.mark.parametrize(
    ("pack", "said"),
    [
        (b"", "does not hold a git pack"),
        (b"PACK", "does not hold a git pack"),
        (b"JUNKJUNKJUNKJUNK", "does not hold a git pack"),
        (pack_of((1, COMMIT), (2, TREE), (3, BLOB))[:-30], "refused"),
        (pack_of((1, COMMIT), (2, TREE), (3, BLOB))[:-1] + b"x", "refused"),
        (pack_of((1, COMMIT), (2, TREE), (3, BLOB), count=9), "refused"),
        (pack_of((1, COMMIT), (2, TREE), (3, BLOB)) + b"junk", "refused"),
        (pack_of((1, b"not a commit"), (2, TREE), (3, BLOB)), "refused"),
        (pack_of((0, COMMIT)), "refused"),
    ],
)
def test_a_malformed_pack_changes_nothing(site: Site, pack: bytes, said: str) -> None:
    content = site.content()
    answer = post(site, command(TIP) + pack)
    assert answer.status_code == 200
    assert b"unpack " in answer.content
    assert b"unpack ok" not in answer.content
    assert said.encode() in answer.content
    assert f"ng {MAIN} unpacker error".encode() in answer.content
    assert site.refs(content) == {}
    assert site.pack_count(content) == 0
    assert site.scratch_is_empty()


@pytest.mark.parametrize(
    "objects",
    [[(1, COMMIT)], [(1, COMMIT), (2, TREE)], [(2, TREE), (3, BLOB)], [(3, BLOB)], []],
)
def test_a_pack_that_misses_objects_changes_nothing(site: Site, objects: list[tuple[int, bytes]]) -> None:
    content = site.content()
    answer = post(site, command(TIP) + pack_of(*objects))
    assert b"missing necessary objects" in answer.content or b"unpack The pushed pack" in answer.content
    assert f"ok {MAIN}".encode() not in answer.content
    assert site.refs(content) == {}
    assert site.pack_count(content) == 0


def test_a_branch_must_be_a_commit(site: Site) -> None:
    content = site.content()
    tree = oid_of("tree", TREE)
    for ref in (MAIN, "refs/tags/t"):
        answer = post(site, command(tree, ref=ref) + pack_of((2, TREE), (3, BLOB)))
        assert f"ng {ref} it does not lead to a commit".encode() in answer.content
    tag = f"object {TIP}\ntype commit\ntag v1\ntagger ".encode() + WHO + b"\n\nv1\n"
    objects = ((1, COMMIT), (2, TREE), (3, BLOB), (4, tag))
    answer = post(site, command(oid_of("tag", tag)) + pack_of(*objects))
    assert b"a branch must be a commit, not a tag" in answer.content
    assert site.refs(content) == {}
    answer = post(site, command(oid_of("tag", tag), ref="refs/tags/v1") + pack_of(*objects))
    assert answer.content == pkt("unpack ok\n") + pkt("ok refs/tags/v1\n") + FLUSH


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage garbage garbage",
        b"00",
        pkt("nonsense") + FLUSH,
        pkt(f"{ZERO} {TIP} {MAIN}"),
        pkt(f"{ZERO} {TIP} {MAIN}\0report-status") + pkt(f"{ZERO} {TIP} {MAIN}") + FLUSH,
    ],
)
def test_garbage_instead_of_commands_is_refused(site: Site, body: bytes) -> None:
    content = site.content()
    answer = post(site, body)
    assert answer.status_code == 400
    assert site.refs(content) == {}
    assert site.scratch_is_empty()


def test_a_flush_alone_is_a_probe(site: Site) -> None:
    site.content()
    answer = post(site, FLUSH)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "name", ["refs/heads/a..b", "refs/heads/a.lock", "refs/heads/HEAD", "refs/heads/-x", "refs/heads/"]
)
def test_bad_branch_names_are_refused(site: Site, name: str) -> None:
    content = site.content()
    answer = post(site, command(TIP, ref=name) + pack_of((1, COMMIT), (2, TREE), (3, BLOB)))
    assert f"ng {name} ".encode() in answer.content
    assert site.refs(content) == {}


def test_a_pack_over_the_limit_is_refused(make_site: SiteMaker) -> None:
    site = make_site(limits=Limits(push_bytes=2000))
    content = site.content()
    answer = post(site, command(TIP) + pack_of((1, COMMIT), (2, TREE), (3, BLOB)) + bytes(5000))
    assert b"more than the 2000 allowed" in answer.content
    huge = post(site, command(TIP) + bytes(17 * 1024 * 1024))
    assert huge.status_code == 413
    assert site.refs(content) == {}
    assert site.scratch_is_empty()


def test_a_ref_that_moved_during_the_push_is_reported(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    before = site.refs(content)[MAIN]
    tip = site.git.commit(work, {"c": "3"})
    old = site.git("rev-parse", "HEAD~1", cwd=work).strip()
    assert old == before
    pack = site.git.pack(work, tip, before)
    content.commit({"api.txt": b"from the API"})
    answer = post(site, command(tip, old=before) + pack)
    assert pkt("unpack ok\n") in answer.content
    assert pkt(f"ng {MAIN} fetch first\n") in answer.content


def test_disabled_repositories_are_closed(site: Site) -> None:
    content = site.content()
    content.commit({"a": b"1"})
    with site.hub.sv.db.write() as tx:
        tx.execute(update(repos).where(repos.c.name == "m").values(is_disabled=True))
    answer = httpx.get(f"{site.url}/alice/m/info/refs?service=git-upload-pack")
    assert (answer.status_code, answer.text) == (403, "Access to this resource is disabled.\n")


def test_what_git_said_is_shown(site: Site) -> None:
    """The text of a refusal reaches the person at the terminal."""
    ran: Ran = site.git.run("ls-remote", site.remote("alice/missing"))
    assert ran.code != 0
    assert "not found" in ran.text


# Clients that misbehave


def git_children() -> list[int]:
    """The git programs this process has started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                name, _, rest = (entry / "stat").read_text().partition(") ")
                if rest.split()[1] == str(os.getpid()) and name.endswith("(git") and rest[0] != "Z":
                    found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def start_fetch(site: Site, tip: str) -> socket.socket:
    """Ask for everything over a connection of one's own, and read a little of it."""
    body = (
        pkt("command=fetch")
        + pkt("object-format=sha1")
        + b"0001"
        + pkt(f"want {tip}\n")
        + pkt("done\n")
        + FLUSH
    )
    connection = socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), timeout=20)
    head = (
        "POST /alice/m/git-upload-pack HTTP/1.1\r\nHost: hub\r\nGit-Protocol: version=2\r\n"
        f"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    return connection


def fill_with_noise(content: Content, megabytes: int) -> str:
    noise = os.urandom(1_000_000)
    return content.commit({f"{number}.bin": bytes([number]) + noise for number in range(megabytes)})


def test_git_is_killed_when_the_client_of_a_fetch_goes_away(site: Site) -> None:
    content = site.content()
    connection = start_fetch(site, fill_with_noise(content, 24))
    assert wait_until(lambda: len(git_children()) == 1)
    connection.close()
    assert wait_until(lambda: git_children() == [])
    assert site.scratch_is_empty()


def test_a_client_that_does_not_read_keeps_nobody_waiting(make_site: SiteMaker) -> None:
    site = make_site(git=GitLimits(processes=1, timeout_s=30))
    content = site.content()
    connection = start_fetch(site, fill_with_noise(content, 24))
    site.git("-c", "protocol.version=2", "clone", "--quiet", "--depth", "1", f"{site.url}/alice/m", "clone")
    assert len(git_children()) == 1
    connection.close()
    assert wait_until(lambda: git_children() == [])


def test_a_client_that_stands_still_for_too_long_is_cut_off(make_site: SiteMaker) -> None:
    site = make_site(git=GitLimits(timeout_s=1))
    content = site.content()
    connection = start_fetch(site, fill_with_noise(content, 24))
    assert wait_until(lambda: len(git_children()) == 1)
    assert wait_until(lambda: git_children() == [])
    received = 0
    while chunk := connection.recv(1 << 20):
        received += len(chunk)
    assert 0 < received < 24_000_000
    connection.close()
    assert site.scratch_is_empty()


def test_a_push_that_breaks_off_changes_nothing(site: Site) -> None:
    content = site.content()
    body = command(TIP) + pack_of((1, COMMIT), (2, TREE), (3, BLOB))
    credentials = base64.b64encode(f"x:{site.token}".encode()).decode()
    connection = socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), timeout=20)
    head = (
        f"POST /alice/m/git-receive-pack HTTP/1.1\r\nHost: hub\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: {len(body)}\r\n"
    )
    connection.sendall(head.encode() + b"Expect: 100-continue\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
    connection.sendall(body[:-10])
    connection.close()
    time.sleep(0.1)
    assert site.refs(content) == {}
    assert site.scratch_is_empty()
    assert pkt(f"ok {MAIN}\n") in post(site, body).content


def test_pushes_at_once_land_one_after_the_other(site: Site) -> None:
    content = site.content()
    work = start(site, content)
    base = site.refs(content)[MAIN]
    clones = []
    for number in range(4):
        clone = site.git.home / f"clone-{number}"
        site.git("clone", "--quiet", site.remote("alice/m"), str(clone))
        site.git.commit(clone, {f"{number}.txt": "x"})
        clones.append(clone)
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda clone: site.git.run("push", "origin", "main", cwd=clone), clones))
        names = range(4)
        own = list(
            pool.map(lambda n: site.git.run("push", "origin", f"HEAD:refs/heads/b{n}", cwd=clones[n]), names)
        )
    assert [ran.code for ran in same].count(0) == 1
    assert all("rejected" in ran.text for ran in same if ran.code)
    assert [ran.code for ran in own] == [0, 0, 0, 0]
    moved = site.refs(content)
    assert moved[MAIN] != base
    assert moved[MAIN] in {moved[f"refs/heads/b{number}"] for number in names}
    assert site.git("rev-parse", "HEAD", cwd=work).strip() == base


def test_push_and_clone_on_postgresql(make_site: SiteMaker, postgres_url: str) -> None:
    site = make_site(database_url=postgres_url)
    content = site.content()
    work = start(site, content)
    tip = site.git.commit(work, {"c": "3"})
    site.git("tag", "v1", cwd=work)
    site.git("push", "--quiet", "--atomic", "origin", "main", "v1", "HEAD:refs/heads/x/y", cwd=work)
    assert site.refs(content) == {MAIN: tip, "refs/heads/x/y": tip, "refs/tags/v1": tip}
    beside = site.git.run("push", "origin", "HEAD:refs/heads/x", cwd=work)
    assert "cannot exist beside" in beside.text
    site.git("push", "--quiet", "origin", ":x/y", cwd=work)
    site.git("clone", "--quiet", f"{site.url}/alice/m", "clone")
    assert site.git("rev-parse", "HEAD", cwd=site.git.home / "clone").strip() == tip
