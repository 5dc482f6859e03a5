"""Two hubs on one PostgreSQL and one bucket: whatever one does, the other knows; one may die.

The first test is part of the fast suite; the others take longer.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from clients.drivers import Client
from crash.rounds import CHUNK_KINDS, IN_A_HURRY, count_deleted, make_workers, working
from crash.site import PART_BYTES, TOKEN, choose_seed
from crash.workers import Sharer, add, add_lfs, header, list_all
from openhood.domain.services import Services
from openhood.infra.db.tables import jobs
from openhood.infra.jobs import queue
from openhood.testing.server import run_cli
from openhood.testing.services import PostgresService, S3Service
from openhood.testing.venvs import client_python
from scale.pair import Pair


class Caller:
    """Alice speaking to one hub."""

    def __init__(self, url: str, token: str | None = TOKEN) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url, timeout=60, headers={"Authorization": f"Bearer {token}"} if token else {}
        )

    def ok(self, method: str, path: str, *, status: int = 200, **options: Any) -> httpx.Response:
        """Send a request to this hub, whichever one the link names."""
        path = re.sub(r"^http://127\.0\.0\.1:\d+", "", path)
        answer = self.http.request(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def commit(
        self, repo: str, *lines: dict[str, Any], rev: str = "main", status: int = 200
    ) -> dict[str, Any]:
        """Commit lines, a header being the first."""
        answer = self.send(repo, *lines, rev=rev)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def send(self, repo: str, *lines: dict[str, Any], rev: str = "main") -> httpx.Response:
        """Try to commit lines, a header being the first."""
        body = "\n".join(json.dumps(line) for line in lines).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        return self.http.post(f"/api/models/{repo}/commit/{rev}", content=body, headers=headers)

    def plan(self, repo: str, data: bytes) -> dict[str, Any]:
        """Ask to upload ``data`` and return the action."""
        wish = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
        body = {"operation": "upload", "transfers": ["basic", "multipart"], "objects": [wish]}
        item = self.ok("POST", f"/{repo}.git/info/lfs/objects/batch", json=body).json()["objects"][0]
        found: dict[str, Any] = item["actions"]["upload"]
        return found


@pytest.fixture
def a(pair: Pair) -> Caller:
    return Caller(pair.a)


@pytest.fixture
def b(pair: Pair) -> Caller:
    return Caller(pair.b)


def _create(caller: Caller, name: str) -> str:
    caller.ok("POST", "/api/repos/create", json={"name": name, "type": "model"})
    return f"alice/{name}"


def test_one_client_on_two_hubs(pair: Pair, a: Caller, b: Caller, tmp_path: Path) -> None:
    repo = _create(a, "turns")
    small, large = random.randbytes(300_000), random.randbytes(2 * PART_BYTES + 1000)

    # One stream: planned here, sent there.
    b.ok("PUT", a.plan(repo, small)["href"], content=small)
    # Parts: planned there, sent to both, joined here.
    action = b.plan(repo, large)
    urls = [url for name, url in sorted(action["header"].items()) if name != "chunk_size"]
    named = []
    for number, url in enumerate(urls, 1):
        piece = large[(number - 1) * PART_BYTES : number * PART_BYTES]
        answer = (a, b)[number % 2].ok("PUT", url, content=piece)
        named.append({"partNumber": number, "etag": answer.headers["etag"]})
    assert len(named) == 3
    a.ok("POST", action["href"], json={"oid": hashlib.sha256(large).hexdigest(), "parts": named})
    wish = {"oid": hashlib.sha256(large).hexdigest(), "size": len(large)}
    b.ok("POST", f"/{repo}.git/info/lfs/verify", json=wish)
    lines = [header("both"), add("a.txt", b"text"), add_lfs("s.bin", small), add_lfs("l.bin", large)]
    first = b.commit(repo, *lines)["commitOid"]
    second = a.commit(repo, header("more", parentCommit=first), add("b.txt", b"more"))["commitOid"]
    b.commit(repo, header("late", parentCommit=first), add("c.txt", b"x"), status=412)

    for each in (a, b):
        assert each.ok("GET", f"/api/models/{repo}").json()["sha"] == second
        listed = {entry["path"] for entry in each.ok("GET", f"/api/models/{repo}/tree/main").json()}
        assert listed == {".gitattributes", "a.txt", "b.txt", "s.bin", "l.bin"}
        for path, data in {"a.txt": b"text", "s.bin": small, "l.bin": large}.items():
            head = each.http.head(f"/{repo}/resolve/main/{path}")
            assert head.headers["x-repo-commit"] == second
            sent = each.http.get(f"/{repo}/resolve/main/{path}")
            if path == "l.bin":  # large files come from the bucket itself, to whoever has the link
                assert sent.status_code == 302
                assert not sent.headers["location"].startswith((pair.a, pair.b))
                sent = httpx.get(sent.headers["location"])
            elif sent.status_code == 302:
                sent = httpx.get(sent.headers["location"])
            assert sent.content == data, path

    # git: pushed to one, cloned from the other.
    work = tmp_path / "work"
    pair.git("clone", "-q", pair.login(pair.a) + f"/{repo}", str(work), env={"GIT_LFS_SKIP_SMUDGE": "1"})
    pushed = pair.git.commit(work, {"d/pushed.txt": "pushed"})
    pair.git("push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/side", cwd=work)
    clone = tmp_path / "clone"
    pair.git("clone", "-q", pair.login(pair.b) + f"/{repo}", str(clone), env={"GIT_LFS_SKIP_SMUDGE": "1"})
    assert pair.git("rev-parse", "HEAD", "origin/side", cwd=clone).split() == [pushed, pushed]
    third = b.commit(repo, header("again"), add("e.txt", b"e"))["commitOid"]
    pair.git("pull", "-q", cwd=work)
    assert pair.git("rev-parse", "HEAD", cwd=work).strip() == third

    # Refs, names, visibility, people: no hub remembers what the other has changed.
    b.ok("DELETE", f"/api/models/{repo}/branch/side")
    assert [each["name"] for each in a.ok("GET", f"/api/models/{repo}/refs").json()["branches"]] == ["main"]
    anyone = [Caller(pair.a, None), Caller(pair.b, None)]
    for each in anyone:
        each.ok("GET", f"/api/models/{repo}")
    a.ok("PUT", f"/api/models/{repo}/settings", json={"private": True})
    for each in anyone:
        each.ok("GET", f"/api/models/{repo}", status=401)
        each.ok("GET", f"/{repo}/resolve/main/a.txt", status=401)
    b.ok("POST", "/api/repos/move", json={"fromRepo": repo, "toRepo": "acme/turned", "type": "model"})
    a.ok("GET", f"/api/models/{repo}", status=307)
    assert a.ok("GET", "/api/models/acme/turned").json()["sha"] == third
    made = a.ok("POST", "/api/settings/tokens", status=201, json={"displayName": "x", "role": "read"}).json()
    other = Caller(pair.b, made["token"])
    other.ok("GET", "/api/models/acme/turned")
    a.ok("DELETE", f"/api/settings/tokens/{made['_id']}", status=204)
    other.ok("GET", "/api/models/acme/turned", status=401)
    b.ok("DELETE", "/api/repos/delete", json={"name": "turned", "organization": "acme", "type": "model"})
    for each in (a, b):
        each.ok("GET", "/api/models/acme/turned", status=404)


@pytest.mark.scale
def test_twenty_clients_on_one_branch(pair: Pair, a: Caller, tmp_path: Path) -> None:
    repo = _create(a, "crowd")
    outcomes: Counter[int] = Counter()
    landed: dict[str, str] = {}
    lock = threading.Lock()

    def work(number: int) -> None:
        caller = Caller((pair.a, pair.b)[number % 2])
        for turn in range(5):
            path = f"{number}-{turn}.txt"
            # Half of them insist on the tip they have seen, and try again when it has moved.
            for _ in range(200):
                first = header(path)
                if number % 4 >= 2:
                    first = header(path, parentCommit=caller.ok("GET", f"/api/models/{repo}").json()["sha"])
                answer = caller.send(repo, first, add(path, path.encode()))
                with lock:
                    outcomes[answer.status_code] += 1
                if answer.status_code == 200:
                    landed[path] = answer.json()["commitOid"]
                    break

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    print("outcomes:", outcomes)
    assert set(outcomes) <= {200, 412, 503}
    assert outcomes[503] < 20
    assert outcomes[200] == len(landed) == len(set(landed.values())) == 100
    # What is kept about each path is that of its own commit, whoever wrote it.
    for url in (pair.a, pair.b):
        known, path = {}, f"/api/models/{repo}/tree/main?expand=true"
        while path:
            page = Caller(url).ok("GET", path)
            known |= {entry["path"]: entry["lastCommit"]["id"] for entry in page.json()}
            path = page.links.get("next", {}).get("url", "")
        known.pop(".gitattributes")
        assert known == landed
    pair.git("clone", "-q", "--mirror", pair.login(pair.b) + f"/{repo}", str(tmp_path / "m"))
    log = pair.git("log", "--format=%H", "main", cwd=tmp_path / "m").split()
    assert set(log[:-1]) == set(landed.values())
    assert len(log) == 101
    files = set(pair.git("ls-tree", "--name-only", "main", cwd=tmp_path / "m").split())
    assert files == {".gitattributes", *landed}


def _upload_and_download(endpoint: str, folder: str, target: str) -> dict[str, Any]:
    import kit
    from huggingface_hub import HfApi, snapshot_download

    api = HfApi(endpoint=endpoint)
    repo = api.create_repo("alice/real", private=True).repo_id
    files = {
        "config.json": b'{"a": 1}',
        "sub/model.safetensors": kit.pattern(13_000_000),
        "x.bin": kit.pattern(70_000, 1),
    }
    sent = kit.write_tree(folder, files)
    api.upload_folder(repo_id=repo, folder_path=folder, commit_message="all")
    api.create_branch(repo, branch="dev")
    api.upload_file(repo_id=repo, path_or_fileobj=b"late", path_in_repo="late.txt", revision="dev")
    snapshot_download(repo, local_dir=target)
    got = kit.read_tree(target)
    got.pop(".gitattributes")
    info = api.model_info(repo, revision="dev")
    return {"sent": sent, "got": got, "dev": sorted(each.rfilename for each in info.siblings)}


@pytest.mark.scale
def test_the_real_client_behind_a_balancer(pair: Pair, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    class Where:
        url = pair.url

    client = Client(python=client_python("hub-2.4"), home=home, hub=Where(), token=TOKEN)  # type: ignore[arg-type]
    before = dict(pair.balancer.handed)

    done = client.call(
        _upload_and_download, endpoint=pair.url, folder=str(tmp_path / "up"), target=str(tmp_path / "down")
    )

    assert done["got"] == done["sent"]
    assert done["dev"] == [".gitattributes", "config.json", "late.txt", "sub/model.safetensors", "x.bin"]
    print("connections:", pair.balancer.handed)
    assert all(count > before[port] for port, count in pair.balancer.handed.items())


@pytest.mark.scale
def test_every_job_is_done_once(pair: Pair) -> None:
    wanted = 60
    with pair.services() as sv:
        pair.wait_for("the earlier jobs", lambda: _waiting(sv) == 0)
        before = [_done(url) for url in (pair.a, pair.b)]
        with sv.db.write() as tx:
            for _ in range(wanted):
                queue.enqueue(tx, "refresh_storage", {"repo": 10**9}, now=sv.clock.now())
        pair.wait_for("the jobs", lambda: _waiting(sv) == 0)
    done = [_done(url) - known for url, known in zip((pair.a, pair.b), before, strict=True)]
    print("jobs done by each hub:", done)
    assert sum(done) == wanted
    assert min(done) > 0


def _waiting(sv: Services) -> int:
    """How many such jobs there are, due or not."""
    with sv.db.read() as tx:
        counted = select(func.count()).select_from(jobs).where(jobs.c.kind == "refresh_storage")
        return tx.execute(counted).scalar_one()


def _done(url: str) -> int:
    text = httpx.get(f"{url}/metrics").text
    found = re.search(
        r'^openhood_jobs_total\{kind="refresh_storage",outcome="done"\} (\S+)$', text, re.MULTILINE
    )
    return int(float(found[1])) if found else 0


@pytest.mark.scale
def test_one_hub_dies_and_everything_goes_on_with_the_other(pair: Pair, tmp_path: Path) -> None:
    seed = choose_seed()
    rng = random.Random(seed)
    workers = make_workers(pair, seed)
    try:
        for worker in workers:
            worker.start()
        for number in range(6):
            for worker in workers:
                worker.resume()
            time.sleep(rng.uniform(0.5, 4))
            victim = "ab"[number % 2]
            busy = sorted(worker.doing for worker in workers if worker.doing)
            pair.kill_one(victim)
            time.sleep(1)
            # Only one hub is alive now: it finishes everything, and has everything.
            for worker in workers:
                worker.park(timeout_s=300)
            for worker in workers:
                worker.check()
            print(f"killed {victim} during {', '.join(busy)}")
            pair.start_one(victim)
        for worker in workers:
            worker.check_anew()
        _check_everywhere(pair, [each for each in workers if isinstance(each, Sharer)], tmp_path)
    finally:
        for worker in workers:
            worker.end()
        print("acknowledged:", dict(pair.acknowledged), "interrupted:", dict(pair.interrupted))


@pytest.mark.scale
def test_chunks_come_and_go_while_hubs_die(postgres: PostgresService, swift: S3Service) -> None:
    """Two processes that collect and convert, and either hub dies again and again; nothing acknowledged is lost."""
    seed = choose_seed()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="openhood-pair-") as directory:
        pair = Pair(
            Path(directory),
            database_url=postgres.create_database(),
            objects_url=swift.make_bucket(),
            env=IN_A_HURRY,
        )
        workers = make_workers(pair, seed, CHUNK_KINDS)
        try:
            for worker in workers:
                worker.start()
            for number in range(25):
                victim = "ab"[number % 2]
                with working(pair, ["collect", "convert"]):
                    for worker in workers:
                        worker.resume()
                    time.sleep(rng.uniform(0.5, 3))
                    pair.kill_one(victim)
                    for worker in workers:
                        worker.park(timeout_s=300)
                    for worker in workers:
                        worker.check()
                pair.start_one(victim)
            for worker in workers:
                worker.check_anew()
            done = run_cli(pair.data_dir / "fsck", "fsck", "--deep", "--json", env=pair.env)
            assert done.returncode == 0, done.stdout + done.stderr
            assert count_deleted(pair) > 0
            assert pair.acknowledged["refused shard"] < pair.acknowledged["xet commit"]
        finally:
            for worker in workers:
                worker.end()
            print("acknowledged:", dict(pair.acknowledged), "interrupted:", dict(pair.interrupted))
            pair.close()


def _check_everywhere(pair: Pair, sharers: list[Sharer], directory: Path) -> None:
    """A hub that never saw the repositories gives out the same clones, and `fsck` there finds nothing."""
    listed = list_all(pair, "/api/models?limit=100")
    with pair.third() as third:
        for repo in listed:
            tips = []
            for url in (pair.a, third.url):
                clone = directory / f"{len(tips)}" / repo["id"]
                pair.git("clone", "-q", "--mirror", f"{pair.login(url)}/{repo['id']}", str(clone))
                ran = pair.git.run("fsck", "--full", "--strict", cwd=clone)
                assert ran.code == 0, ran.text
                tips.append(pair.git("for-each-ref", cwd=clone))
            assert tips[0] == tips[1]
        Sharer.check_all(pair, sharers, directory / "1" / Sharer.repo)
    done = run_cli(pair.data_dir / "fsck", "fsck", "--deep", "--json", env=pair.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"]
