"""Clients that work on a hub without a pause, each on things of its own, and know what must be there.

Every worker finishes a step however often the hub dies meanwhile: it does the same again, as a person would.
What was acknowledged is in its books, which `check` compares with the hub.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from crash.site import MULTIPART_FROM_BYTES, Interrupted, Site
from crash.xetpieces import read_as_chunks

T = TypeVar("T")


class Worker:
    """One client in a thread. Subclasses have `set_up`, `step` and `check`."""

    def __init__(self, site: Site, name: str, seed: int) -> None:
        self.site = site
        self.name = name
        self.rng = random.Random(f"{seed}-{name}")
        self.failure: str | None = None
        self.doing = ""
        self._serial = 0
        self._read: set[tuple[str, str, str]] = set()
        self._wanted = threading.Event()
        self._parked = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def set_up(self) -> None:
        """Make what the steps need."""

    def step(self) -> None:
        """Do one thing, again and again if need be, and note what was acknowledged."""
        raise NotImplementedError

    def check(self) -> None:
        """Assert that everything acknowledged is there. Called while the worker is parked."""
        raise NotImplementedError

    def check_anew(self) -> None:
        """The same, and read every file's bytes once more."""
        self._read.clear()
        self.check()

    def start(self) -> None:
        """Set up and start the thread, parked."""
        self.set_up()
        self._thread.start()

    def resume(self) -> None:
        """Let it work."""
        self._parked.clear()
        self._wanted.set()

    def park(self, *, timeout_s: float = 90) -> None:
        """Wait until its present step is finished; it rests then."""
        self._wanted.clear()
        assert self._parked.wait(timeout_s), f"{self.name} is stuck in {self.doing!r}"
        assert self.failure is None, f"{self.name}: {self.failure}\n{self.site.log_text()[-4000:]}"

    def end(self) -> None:
        """End the thread."""
        self._ended = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(60)

    def _run(self) -> None:
        while True:
            if not self._wanted.is_set():
                self._parked.set()
            self._wanted.wait()
            if self._ended:
                return
            try:
                self.step()
            except BaseException:
                self.failure = traceback.format_exc()
                self._parked.set()
                return

    def sure(self, kind: str, attempt: Callable[[bool], T]) -> T:
        """Call ``attempt(is_retry)`` until the hub answers."""
        is_retry = False
        while True:
            assert self.site.gate.wait(120), "the hub does not come back"
            self.doing = kind
            try:
                result = attempt(is_retry)
            except Interrupted:
                self.site.count(kind, interrupted=True)
                is_retry = True
                continue
            self.doing = ""
            self.site.count(kind, interrupted=False)
            return result

    def fresh(self, suffix: str = "") -> str:
        """Return a name that was not used before."""
        self._serial += 1
        return f"{self.name}-{self._serial}{suffix}"

    def check_files(self, repo: str, files: Mapping[str, bytes], *, rev: str = "main") -> None:
        """Assert that the files are there; the bytes of each are read once, which takes the most time."""
        for path, content in files.items():
            if (repo, rev, path) not in self._read:
                assert self.site.read(repo, path, rev=rev) == content, (repo, rev, path)
                self._read.add((repo, rev, path))

    def create(self, name: str, kind: str = "model", owner: str = "alice") -> str:
        """Create a repository and return its id."""
        self.site.request(
            "POST", "/api/repos/create", json={"name": name, "organization": owner, "type": kind}
        )
        return f"{owner}/{name}"


def header(summary: str, **more: object) -> dict[str, Any]:
    """A commit's first line."""
    return {"key": "header", "value": {"summary": summary, "description": "", **more}}


def add(path: str, content: bytes) -> dict[str, Any]:
    """A line that adds a file."""
    encoded = base64.b64encode(content).decode()
    return {"key": "file", "value": {"path": path, "content": encoded, "encoding": "base64"}}


def add_lfs(path: str, content: bytes) -> dict[str, Any]:
    """A line that adds a pointer."""
    value = {"path": path, "algo": "sha256", "oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return {"key": "lfsFile", "value": value}


def delete(path: str) -> dict[str, Any]:
    """A line that deletes a file."""
    return {"key": "deletedFile", "value": {"path": path}}


def send_commit(
    site: Site,
    repo: str,
    lines: Sequence[dict[str, Any]],
    *,
    rev: str = "main",
    expect: Sequence[int] = (200,),
) -> dict[str, Any]:
    """Commit, and return the answer with its status."""
    answer = site.request(
        "POST",
        f"/api/models/{repo}/commit/{quote(rev, safe='')}",
        content="\n".join(json.dumps(line) for line in lines).encode(),
        headers={"Content-Type": "application/x-ndjson"},
        expect=expect,
    )
    return {"status": answer.status_code, **answer.json()}


def list_all(site: Site, url: str) -> list[dict[str, Any]]:
    """Return what all pages of a listing hold."""
    found: list[dict[str, Any]] = []
    while url:
        page = site.request("GET", url)
        found += page.json()
        url = page.links.get("next", {}).get("url", "")
    return found


def list_files(site: Site, repo: str, rev: str = "main") -> set[str]:
    """Return the paths at a revision, but for the one that every repository starts with."""
    entries = list_all(site, f"/api/models/{repo}/tree/{quote(rev, safe='')}?recursive=true")
    return {each["path"] for each in entries if each["type"] == "file"} - {".gitattributes"}


class Committer(Worker):
    """Commits one after the other with ``parentCommit``, alone in its repository."""

    def set_up(self) -> None:
        self.repo = self.create(self.name)
        self.tip = self.site.request("GET", f"/api/models/{self.repo}").json()["sha"]
        self.files: dict[str, bytes] = {}
        self.history = [self.tip]

    def step(self) -> None:
        files = dict(self.files)
        lines = [header(self.fresh(), parentCommit=self.tip)]
        for _ in range(self.rng.randint(1, 6)):
            path = f"{self.rng.choice('abc')}/{self.fresh('.txt')}"
            files[path] = self.rng.randbytes(self.rng.choice((10, 1000, 200_000)))
            lines.append(add(path, files[path]))
        if self.files and self.rng.random() < 0.5:
            gone = self.rng.choice(sorted(self.files))
            del files[gone]
            lines.append(delete(gone))
        # The very same body again: the hub must notice that it has the commit already.
        done = self.sure("commit", lambda _again: send_commit(self.site, self.repo, lines))
        self.tip, self.files = done["commitOid"], files
        self.history.append(self.tip)

    def check(self) -> None:
        assert self.site.request("GET", f"/api/models/{self.repo}").json()["sha"] == self.tip
        assert list_files(self.site, self.repo) == set(self.files)
        self.check_files(self.repo, self.files)
        log = list_all(self.site, f"/api/models/{self.repo}/commits/main?limit=100")
        assert [each["id"] for each in log] == self.history[::-1]


class Sharer(Worker):
    """Commits to a branch that others commit to as well, sometimes with ``parentCommit``."""

    repo = "alice/shared"

    def set_up(self) -> None:
        self.files: dict[str, bytes] = {}

    def step(self) -> None:
        path, content = self.fresh(".txt"), self.rng.randbytes(500)
        if self.rng.random() < 0.5:
            body = [header(path), add(path, content)]
            self.sure("shared commit", lambda _again: send_commit(self.site, self.repo, body))
        else:
            self._on_parent(path, content)
        self.files[path] = content

    def _on_parent(self, path: str, content: bytes) -> None:
        while True:
            tip = self.sure(
                "info", lambda _again: self.site.request("GET", f"/api/models/{self.repo}").json()
            )
            body = [header(path, parentCommit=tip["sha"]), add(path, content)]
            done = self.sure(
                "commit on parent",
                lambda _again, body=body: send_commit(self.site, self.repo, body, expect=(200, 412)),
            )
            if done["status"] == 200:
                return

    def check(self) -> None:
        self.check_files(self.repo, self.files)

    @classmethod
    def check_all(cls, site: Site, sharers: Sequence[Sharer], clone: Path) -> None:
        """Every file of every sharer is there, and was added by one commit only."""
        expected = {path for each in sharers for path in each.files}
        assert list_files(site, cls.repo) == expected
        log = site.git("log", "--format=", "--name-only", "main", cwd=clone).split()
        assert sorted(path for path in log if path != ".gitattributes") == sorted(expected)


class Uploader(Worker):
    """Uploads large files, in one stream or in parts, and commits their pointers."""

    def set_up(self) -> None:
        self.repo = self.create(self.name)
        self.files: dict[str, bytes] = {}

    def step(self) -> None:
        if self.rng.random() < 0.6:
            size = self.rng.choice((1, 70_000, 3_000_000))
        else:
            size = self.rng.randint(MULTIPART_FROM_BYTES, 2 * MULTIPART_FROM_BYTES)
        content, path = self.rng.randbytes(size), self.fresh(".bin")
        self._upload(content)
        lines = [header(path), add_lfs(path, content)]
        self.sure("lfs commit", lambda _again: send_commit(self.site, self.repo, lines))
        self.files[path] = content

    def _upload(self, content: bytes) -> None:
        action = self._plan(content)
        if action is None:
            return
        if "chunk_size" in action.get("header", {}):
            self._in_parts(action, content)
            return

        def put(again: bool) -> None:
            # Half of the retries go on with the link they had, the others ask for a new one.
            href = action["href"]
            if again and self.rng.random() < 0.5:
                fresh = self._plan_once(content)
                if fresh is None:
                    return
                href = fresh["href"]
            self.site.request("PUT", href, content=content)

        self.sure("lfs put", put)

    def _in_parts(self, action: dict[str, Any], content: bytes) -> None:
        size = int(action["header"]["chunk_size"])
        urls = [url for name, url in sorted(action["header"].items()) if name != "chunk_size"]
        named = []
        for number, url in enumerate(urls, 1):
            piece = content[(number - 1) * size : number * size]
            answer = self.sure(
                "lfs part", lambda _again, url=url, piece=piece: self.site.request("PUT", url, content=piece)
            )
            named.append({"partNumber": number, "etag": answer.headers["etag"]})
        body = {"oid": hashlib.sha256(content).hexdigest(), "parts": named}
        self.sure("lfs complete", lambda _again: self.site.request("POST", action["href"], json=body))

    def _plan(self, content: bytes) -> dict[str, Any] | None:
        return self.sure("lfs batch", lambda _again: self._plan_once(content))

    def _plan_once(self, content: bytes) -> dict[str, Any] | None:
        wish = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
        answer = self.site.request(
            "POST",
            f"/{self.repo}.git/info/lfs/objects/batch",
            json={"operation": "upload", "transfers": ["basic", "multipart"], "objects": [wish]},
        )
        item = answer.json()["objects"][0]
        assert "error" not in item, item
        return item["actions"]["upload"] if "actions" in item else None

    def check(self) -> None:
        assert list_files(self.site, self.repo) == set(self.files)
        self.check_files(self.repo, self.files)

    def check_anew(self) -> None:
        super().check_anew()
        for path, content in self.files.items():
            converted = read_as_chunks(self.site, self.repo, path)
            assert converted in (None, content), (self.repo, path)
            self.site.count("converted file", interrupted=converted is None)


class Pusher(Worker):
    """Pushes commits, branches and tags, rewrites them and takes them away, with real git."""

    def set_up(self) -> None:
        self.repo = self.create(self.name)
        self.work = self.site.git.home / self.name
        self.site.git("clone", "--quiet", f"{self.site.git_url}/{self.repo}", str(self.work))
        self.refs: dict[str, str] = {}

    def step(self) -> None:
        git, site, work = self.site.git, self.site, self.work
        kind = self.rng.choice(("main", "main", "branch", "delete", "force"))
        others = sorted(name for name in self.refs if name != "refs/heads/main")
        if kind == "delete" and others:
            gone = self.rng.choice(others)
            self.sure("push delete", lambda again: self._delete(gone, again=again))
            del self.refs[gone]
            return
        files = {
            f"d{self.rng.randrange(3)}/{self.fresh()}": self.rng.randbytes(size) for size in (50, 400_000)
        }
        oid = git.commit(work, files)
        if kind == "branch":
            name = self.fresh()
            git("tag", "-a", "-m", "a tag", name, cwd=work)
            tag = git("rev-parse", f"refs/tags/{name}", cwd=work).strip()
            refs = {f"refs/heads/{name}": oid, f"refs/tags/{name}": tag}
            specs = [f"HEAD:refs/heads/{name}", f"refs/tags/{name}"]
            options = ["--atomic"] if self.rng.random() < 0.5 else []
            self.sure(
                "push branch", lambda _again: site.run_git("push", "-q", *options, "origin", *specs, cwd=work)
            )
            self.refs |= refs
            return
        if kind == "force" and "refs/heads/main" in self.refs:
            git("reset", "-q", "--soft", "HEAD~2", cwd=work)
            oid = git.commit(work, {self.fresh(): self.rng.randbytes(50)})
            self.sure(
                "push force", lambda _again: site.run_git("push", "-q", "-f", "origin", "HEAD:main", cwd=work)
            )
        else:
            self.sure("push", lambda _again: site.run_git("push", "-q", "origin", "HEAD:main", cwd=work))
        self.refs["refs/heads/main"] = oid

    def _delete(self, name: str, *, again: bool) -> None:
        if again and name not in self._there():
            return  # git itself refuses to delete what is not there
        self.site.run_git("push", "-q", "origin", f":{name}", cwd=self.work)

    def _there(self) -> dict[str, str]:
        lines = self.site.run_git("ls-remote", "--refs", "origin", cwd=self.work).splitlines()
        return {name: oid for oid, _, name in (line.partition("\t") for line in lines)}

    def check(self) -> None:
        there = self._there()
        if "refs/heads/main" not in self.refs:
            there.pop("refs/heads/main", None)
        assert there == self.refs


class Mover(Worker):
    """Moves one repository to ever new names; all the old ones go on leading to it."""

    def set_up(self) -> None:
        self.id = self.create(self.name)
        self.first = self.id
        self.content = self.rng.randbytes(1000)
        send_commit(self.site, self.id, [header("one"), add("a.txt", self.content)])

    def step(self) -> None:
        target = f"{self.rng.choice(('alice', 'acme'))}/{self.fresh()}"
        self.sure("move", lambda again: self._move(target, again=again))
        self.id = target

    def _move(self, target: str, *, again: bool) -> None:
        answer = self.site.request(
            "POST",
            "/api/repos/move",
            json={"fromRepo": self.id, "toRepo": target, "type": "model"},
            expect=(200, 404) if again else (200,),
        )
        if answer.status_code == 404:  # it had happened: then nothing is left under the old name
            self.site.request("GET", f"/api/models/{target}")

    def check(self) -> None:
        assert self.site.request("GET", f"/api/models/{self.id}").json()["id"] == self.id
        assert self.site.read(self.first, "a.txt") == self.content


class RefMaker(Worker):
    """Makes and deletes branches and tags through the API, commits to them and squashes them."""

    def set_up(self) -> None:
        self.repo = self.create(self.name)
        send_commit(self.site, self.repo, [header("one"), add("base.txt", b"base")])
        self.branches: dict[str, dict[str, bytes]] = {}
        self.tags: set[str] = set()

    def step(self) -> None:
        kind = self.rng.choice(("branch", "tag", "commit", "commit", "squash", "delete branch", "delete tag"))
        api = f"/api/models/{self.repo}"
        if kind in ("branch", "tag"):
            name = self.fresh()
            body = {"startingPoint": "main"} if kind == "branch" else {"tag": name, "message": "it"}
            path = f"{api}/branch/{name}" if kind == "branch" else f"{api}/tag/main"
            self.sure(
                f"create {kind}",
                lambda again: self.site.request("POST", path, json=body, expect=_ok(again, 409)),
            )
            if kind == "branch":
                self.branches[name] = {"base.txt": b"base"}
            else:
                self.tags.add(name)
        elif kind == "delete tag" and self.tags:
            name = self.rng.choice(sorted(self.tags))
            self._delete(f"{api}/tag/{name}")
            self.tags.remove(name)
        elif self.branches and kind != "delete tag":
            self._on_branch(kind, self.rng.choice(sorted(self.branches)))

    def _on_branch(self, kind: str, name: str) -> None:
        api = f"/api/models/{self.repo}"
        if kind == "commit":
            path, content = self.fresh(".txt"), self.rng.randbytes(3000)
            lines = [header(path), add(path, content)]
            self.sure("branch commit", lambda _again: send_commit(self.site, self.repo, lines, rev=name))
            self.branches[name][path] = content
        elif kind == "squash":
            url = f"{api}/super-squash/{name}"
            self.sure("squash", lambda _again: self.site.request("POST", url, json={"message": "squash"}))
        else:
            self._delete(f"{api}/branch/{name}")
            del self.branches[name]

    def _delete(self, url: str) -> None:
        self.sure("delete ref", lambda again: self.site.request("DELETE", url, expect=_ok(again, 404)))

    def check(self) -> None:
        refs = self.site.request("GET", f"/api/models/{self.repo}/refs").json()
        assert {each["name"] for each in refs["branches"]} == {"main", *self.branches}
        assert {each["name"] for each in refs["tags"]} == self.tags
        for name, files in self.branches.items():
            assert list_files(self.site, self.repo, name) == set(files)
            self.check_files(self.repo, files, rev=name)


class Creator(Worker):
    """Creates, duplicates, hides and deletes whole repositories."""

    MOST = 6

    def set_up(self) -> None:
        self.source = self.create(self.name)
        self.files = {f"{number}.txt": self.rng.randbytes(2000) for number in range(3)}
        send_commit(
            self.site, self.source, [header("one"), *(add(path, data) for path, data in self.files.items())]
        )
        self.private: dict[str, bool] = {}
        self.copies: set[str] = set()
        self.deleted: set[str] = set()

    def step(self) -> None:
        kind = self.rng.choice(("create", "duplicate", "delete", "settings"))
        if len(self.private) > self.MOST:
            kind = "delete"
        if kind == "create":
            name = self.fresh()
            body = {"name": name, "type": "model", "private": True}
            self.sure(
                "create",
                lambda again: self.site.request(
                    "POST", "/api/repos/create", json=body, expect=_ok(again, 409)
                ),
            )
            self.private[f"alice/{name}"] = True
        elif kind == "duplicate":
            target = f"alice/{self.fresh()}"
            url, body = f"/api/models/{self.source}/duplicate", {"repository": target, "private": False}
            self.sure(
                "duplicate", lambda again: self.site.request("POST", url, json=body, expect=_ok(again, 409))
            )
            self.private[target] = False
            self.copies.add(target)
        elif self.private:
            self._on(kind, self.rng.choice(sorted(self.private)))

    def _on(self, kind: str, repo: str) -> None:
        if kind == "settings":
            hidden = not self.private[repo]
            url, body = f"/api/models/{repo}/settings", {"private": hidden}
            self.sure("settings", lambda _again: self.site.request("PUT", url, json=body))
            self.private[repo] = hidden
        else:
            owner, _, name = repo.partition("/")
            gone = {"name": name, "organization": owner, "type": "model"}
            self.sure(
                "delete",
                lambda again: self.site.request(
                    "DELETE", "/api/repos/delete", json=gone, expect=_ok(again, 404)
                ),
            )
            del self.private[repo]
            self.deleted.add(repo)

    def check(self) -> None:
        for repo, hidden in self.private.items():
            assert self.site.request("GET", f"/api/models/{repo}").json()["private"] is hidden, repo
        for repo in self.deleted:
            self.site.request("GET", f"/api/models/{repo}", expect=(404,))
        for repo in self.copies - self.deleted:
            self.check_files(repo, self.files)


def _ok(again: bool, also: int) -> tuple[int, ...]:
    """What a request may answer that perhaps was carried out before."""
    return (200, 201, 204, also) if again else (200, 201, 204)
