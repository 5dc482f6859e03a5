"""Nothing of what a gate guards gets out: every route below a repository, and every way by which content travels.

The repository holds a marker in each place where content may lie. Whoever has no access asks for everything; no
answer may hold a marker, a hash of one, or a token that would open the way to one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.content import blob_oid
from api.desk import Desk, file, lfs_file
from api.everywhere import asks
from api.xet_content import mixed_content, name_of, store_simple
from openhood.domain.access import SYSTEM, OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.testing.hub import HubUnderTest

TEXT = b"secret-in-a-file\n"
SIDE = b"secret-on-a-branch\n"
PULL = b"secret-in-a-pull-request\n"
CONVERTED = b"secret-that-was-converted\n"
LARGE = b"secret-in-lfs " * 1000
CHUNKED = mixed_content(60_000)
WHO = (
    "nobody",
    "stranger",
    "waiting",
    "rejected",
    "taken back",
    "their read token",
    "member bound by the gate",
)


class Guarded:
    """A gated model of acme with something secret in every place, and everybody who must not read it."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub = hub
        owner = Desk(hub, user="owner", name="unused")
        owner.client.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
        owner.client.post("/api/repos/create", json={"name": "m", "organization": "acme"}).raise_for_status()
        owner.repo_id = type(owner.repo_id)("acme", "m")
        owner.api = "/api/models/acme/m"
        self.owner = owner
        self.large = owner.add_lfs(LARGE)
        self.chunked = store_simple(hub.sv, owner.repo.id, CHUNKED, per_xorb=7)
        readme = b"---\nlicense: mit\n---\n# Open to all\n"
        self.tip = owner.done(
            file("README.md", readme),
            file("a.txt", TEXT),
            lfs_file("large.bin", self.large, size=len(LARGE)),
            lfs_file("chunked.bin", self.chunked.sha256, size=len(CHUNKED)),
        )
        for rev, content in (("side", SIDE), ("refs/convert/parquet", CONVERTED)):
            owner.client.post(f"{owner.api}/branch/{rev.replace('/', '%2F')}", json={})
            owner.commit(file("b.txt", content), rev=rev.replace("/", "%2F"))
        pull = owner.commit(file("pull.txt", PULL), create_pr="1")
        assert pull.status_code == 200, pull.text
        self.pull_oid = str(pull.json()["commitOid"])
        gated = {"gated": "manual", "orgMembersGated": True}
        owner.client.put(f"{owner.api}/settings", json=gated).raise_for_status()
        self.tokens: dict[str, str | None] = {"nobody": None}
        for who in WHO[1:]:
            name = who.replace(" ", "-")
            self.tokens[who] = hub.add_user(name)
            client = self.client(who)
            if who not in ("stranger", "member bound by the gate"):
                client.post("/acme/m/ask-access", json={})
            if who in ("rejected", "taken back"):
                if who == "taken back":
                    self.decide(name, "accepted")
                    assert client.get("/acme/m/resolve/main/a.txt").content == TEXT
                    token = client.get(f"{owner.api}/xet-read-token/main")
                    self.old_pass = (token.json()["casUrl"], token.json()["accessToken"])
                    assert self.reconstruct().status_code == 200
                self.decide(name, "rejected")
        bound = "member-bound-by-the-gate"
        accounts.set_member(hub.sv, SYSTEM, org="acme", user=bound, role=OrgRole.READ)
        self.tokens["their read token"] = hub.add_token("their-read-token", role="read")

    def decide(self, user: str, status: str) -> None:
        body = {"user": user, "status": status}
        self.owner.client.post(f"{self.owner.api}/user-access-request/handle", json=body).raise_for_status()

    def client(self, who: str) -> httpx.Client:
        return self.hub.client(self.tokens[who])

    def reconstruct(self) -> httpx.Response:
        """Ask for the chunks of a file with a CAS token from before."""
        address, token = self.old_pass
        url = f"{address}/v1/reconstructions/{name_of(self.chunked)}"
        return self.hub.client(token).get(url)

    def markers(self) -> dict[str, bytes]:
        """What no answer may hold, by what it is."""
        texts = {"file": TEXT, "branch": SIDE, "pull request": PULL, "converted": CONVERTED}
        found = {what: text.strip() for what, text in texts.items()}
        found["large file"] = LARGE[:60]
        found["chunks"] = CHUNKED[20_000:20_040]
        found["hash of the large file"] = self.large.encode()
        found["hash of the chunked file"] = self.chunked.sha256.encode()
        found["Xet hash"] = name_of(self.chunked).encode()
        for what, text in texts.items():
            found[f"git's hash of the {what}"] = blob_oid(text).encode()
            found[f"the {what} in base64"] = base64.b64encode(text)[:16]
        found["a CAS token"] = b"accessToken"
        found["a signed link"] = b"/objects/"
        return found

    def leaks(self, answer: httpx.Response) -> list[str]:
        """What an answer must not have held."""
        held = answer.content + b"".join(b"%s: %s\n" % pair for pair in answer.headers.raw)
        return [what for what, marker in self.markers().items() if marker in held]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with HubUnderTest() as hub:
        yield Guarded(hub)


def pkt(line: str) -> bytes:
    return f"{len(line) + 4:04x}{line}".encode()


def ways(guarded: Guarded) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Requests that the walk over all routes does not think of: other revisions, ranges, git's own protocol."""
    api, tip = "/api/models/acme/m", guarded.tip
    revisions = ("main", tip, "side", "refs%2Fconvert%2Fparquet", "refs%2Fpr%2F1", guarded.pull_oid)
    paths = ("a.txt", "b.txt", "pull.txt", "large.bin", "chunked.bin")
    for revision in revisions:
        for path in paths:
            for method in ("GET", "HEAD"):
                yield method, f"/acme/m/resolve/{revision}/{path}", {}
                yield method, f"/acme/m/raw/{revision}/{path}", {}
            yield "GET", f"/acme/m/resolve/{revision}/{path}", {"headers": {"Range": "bytes=2-40"}}
            yield "GET", f"/acme/m/resolve/{revision}/{path}?download=true", {}
            info = {"Accept": "application/vnd.xet-fileinfo+json", "Range": "bytes=0-0"}
            yield "GET", f"/acme/m/resolve/{revision}/{path}", {"headers": info}
        yield "GET", f"{api}/tree/{revision}?recursive=true&expand=true", {}
        yield "POST", f"{api}/paths-info/{revision}", {"json": {"paths": list(paths), "expand": True}}
        yield "GET", f"{api}/revision/{revision}?blobs=true", {}
        yield "GET", f"{api}/commits/{revision}?expand[]=formatted", {}
        yield "GET", f"{api}/xet-read-token/{revision}", {}
        for ending in ("zip", "tar.gz"):
            yield "GET", f"/acme/m/archive/{revision}.{ending}", {}
    for spec in (f"main..{guarded.pull_oid}", "main..side", f"{tip}..refs%2Fpr%2F1"):
        yield "GET", f"{api}/compare/{spec}", {}
        yield "GET", f"{api}/compare/{spec}?raw=true", {}
    for query in ("?diff=1", "?diff=true", ""):
        yield "GET", f"{api}/discussions/1{query}", {}
        yield "GET", f"/acme/m/discussions/1{query}", {}
    yield "GET", "/acme/m/discussions/1.diff", {}
    yield "GET", "/acme/m/discussions/1/files", {}
    objects = [
        {"oid": guarded.large, "size": len(LARGE)},
        {"oid": guarded.chunked.sha256, "size": len(CHUNKED)},
    ]
    for operation in ("download", "upload"):
        for transfers in (["basic"], ["xet"], ["basic", "multipart", "xet"]):
            body = {"operation": operation, "transfers": transfers, "objects": []}
            yield "POST", "/acme/m.git/info/lfs/objects/batch", {"json": body}
        wish = {"operation": operation, "transfers": ["basic"], "objects": objects}
        yield "POST", "/acme/m.git/info/lfs/objects/batch", {"json": wish, "echoes": True}
    yield "GET", "/acme/m.git/info/refs?service=git-upload-pack", {}
    yield "GET", "/acme/m.git/HEAD", {}
    fetch = b"".join(
        (pkt("command=fetch"), b"0001", pkt("no-progress"), pkt(f"want {tip}\n"), pkt("done\n"), b"0000")
    )
    git = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
    yield "POST", "/acme/m.git/git-upload-pack", {"content": fetch, "headers": git}
    old = pkt(f"want {guarded.pull_oid} no-progress ofs-delta\n") + b"0000" + pkt("done\n")
    yield "POST", "/acme/m.git/git-upload-pack", {"content": old, "headers": {**git, "Git-Protocol": ""}}
    yield "GET", "/api/models?author=acme&full=true&expand[]=siblings", {}
    yield "GET", "/api/models/acme/m?blobs=true&securityStatus=true", {}


@pytest.mark.parametrize("who", WHO)
def test_every_way_to_the_content(guarded: Guarded, who: str) -> None:
    client = guarded.client(who)
    for method, url, options in ways(guarded):
        echoes = options.pop("echoes", False)
        answer = client.request(method, url, **options)
        held = guarded.leaks(answer)
        if echoes:  # it names back the hashes it was asked for
            held = [what for what in held if "hash" not in what]
        assert not held, f"{method} {url} gave {answer.status_code} with {held}"
        assert answer.status_code < 500 or answer.status_code == 501, f"{method} {url}: {answer.text[:300]}"
        if "/resolve/" in url or "git-upload-pack" in url or "xet-read-token" in url:
            assert answer.status_code in (401, 403), f"{method} {url} gave {answer.status_code}"


@pytest.mark.parametrize("who", ["nobody", "waiting", "member bound by the gate"])
def test_every_route_of_the_repository(guarded: Guarded, who: str) -> None:
    client = guarded.client(who)
    tips = {"models": guarded.tip}
    for each in asks(ns="acme", name="m", kinds=("models",), viewer="stranger", below_repo=True, tips=tips):
        if each.method == "DELETE" or each.template in ("/api/repos/delete", "/api/repos/move"):
            continue
        answer = client.request(
            each.method, each.url + each.query, content=each.content, headers=dict(each.headers)
        )
        held = guarded.leaks(answer)
        assert not held, f"{each} gave {answer.status_code} with {held}"


def test_those_who_may_see_all_of_it(guarded: Guarded) -> None:
    """So that the markers above are really there to be found."""
    owner = guarded.owner.client
    for url in (
        "resolve/main/a.txt",
        "resolve/refs%2Fpr%2F1/pull.txt",
        "resolve/side/b.txt",
        "raw/main/a.txt",
    ):
        assert guarded.leaks(owner.get(f"/acme/m/{url}")), url
    tree = guarded.leaks(owner.get("/api/models/acme/m/tree/main"))
    assert {"hash of the large file", "Xet hash", "git's hash of the file"} <= set(tree)
    blobs = guarded.leaks(owner.get("/api/models/acme/m?blobs=true"))
    assert {"hash of the large file", "git's hash of the file"} <= set(blobs)
    assert guarded.leaks(owner.get("/api/models/acme/m/xet-read-token/main")) == ["a CAS token"]


def test_strangers_still_see_what_there_is(guarded: Guarded) -> None:
    client = guarded.client("stranger")
    tree = {each["path"]: each for each in client.get("/api/models/acme/m/tree/main").json()}
    assert set(tree) == {".gitattributes", "README.md", "a.txt", "chunked.bin", "large.bin"}
    assert tree["large.bin"]["size"] == len(LARGE)
    assert tree["large.bin"]["oid"] == "0" * 40
    assert "lfs" not in tree["large.bin"]
    readme = client.get("/acme/m/resolve/main/README.md")
    assert readme.status_code == 200
    assert (
        tree["README.md"]["oid"]
        == hashlib.sha1(b"blob %d\0" % len(readme.content) + readme.content).hexdigest()
    )


def test_a_cas_token_ends_with_the_access_it_came_from(guarded: Guarded) -> None:
    refused = guarded.reconstruct()
    assert refused.status_code == 403
    assert "taken back" in refused.text
    guarded.decide("taken-back", "accepted")
    assert guarded.reconstruct().status_code == 200
    guarded.decide("taken-back", "reset")
    assert guarded.reconstruct().status_code == 403
    address, token = guarded.old_pass
    sized = guarded.hub.client(token).head(f"{address}/v1/files/{name_of(guarded.chunked)}")
    assert sized.status_code == 403
