"""Requests for every route of the hub, made from the list of routes itself, so that a new one is never left out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from api.desk import NDJSON, file, header, lfs_file, ndjson
from openhood.http.router import Route
from openhood.http.routes import ROUTES

LFS_DATA = b"large " * 1000
LFS_OID = hashlib.sha256(LFS_DATA).hexdigest()
NULL_OID = "0" * 40
_NOBODYS_ID = "0" * 24
_WISH = {"oid": LFS_OID, "size": len(LFS_DATA)}
_NEW = {"oid": hashlib.sha256(b"new").hexdigest(), "size": 3}

_PACK = b"PACK" + bytes((0, 0, 0, 2, 0, 0, 0, 0))
_NO_OBJECTS = _PACK + hashlib.sha1(_PACK).digest()

_PARAMETERS = {
    "rev": "main",
    "path": "a.txt",
    "tail": "refs",
    "spec": "main..side",
    "sha": LFS_OID,
    "sha256": LFS_OID,
    "lock": "1",
    "number": "1",
    "status": "pending",
    "decision": "approve",
    "token": "000000000000000000000000",
    "u": "alice",
    "o": "acme",
    "secret": "x",
    "config": "default",
    "split": "train",
    "row": "0",
    "column": "text",
    "shard": "0",
    "picture": "alice",
    "epoch": "0123456789ab",
    "prefix": "default",
    "hash": "ab" * 32,
    "grant": "0" * 32,
}

_JSON_BODIES: Mapping[str, tuple[object, ...]] = {
    "lfs-files/batch": ({"deletions": {"sha": [LFS_OID], "rewriteHistory": True}},),
    "lfs-files/duplicate": (
        {"target": {"type": "model", "name": "{viewer}/own"}, "files": [{"sha256": LFS_OID}]},
        {"target": {"type": "{kind}", "name": "{ns}/{name}"}, "files": [{"sha256": LFS_OID}]},
    ),
    "branch/{rev:path}": ({}, {"startingPoint": "main"}, {"emptyBranch": True}),
    "tag/{rev:path}": ({"tag": "v9", "message": "it"},),
    "super-squash/{rev:path}": ({"message": "one"},),
    "paths-info/{rev:path}": ({"paths": ["a.txt", "large.bin"], "expand": True},),
    "preupload/{rev:path}": ({"files": [{"path": "n.txt", "size": 3, "sample": "YWJj"}]},),
    "/discussions": ({"title": "One more", "pullRequest": True}, {"title": "A talk", "pullRequest": False}),
    "settings": ({"private": False}, {"gated": "auto"}, {"gated": False}),
    "duplicate": ({"repository": "{viewer}/copy"},),
    "objects/batch": (
        {"operation": "upload", "transfers": ["basic", "multipart"], "objects": [_WISH, _NEW]},
        {"operation": "upload", "transfers": ["basic", "xet"], "objects": [_WISH, _NEW]},
        {"operation": "download", "transfers": ["basic"], "objects": [_WISH]},
    ),
    "verify": (_WISH,),
    "locks": ({"path": "b.txt", "ref": {"name": "refs/heads/main"}},),
    "locks/verify": ({"limit": 10},),
    "unlock": ({"force": True},),
    "/api/repos/create": ({"name": "made", "type": "model"},),
    "/api/repos/delete": ({"name": "{name}", "organization": "{ns}", "type": "{kind}"},),
    "/api/repos/move": ({"fromRepo": "{ns}/{name}", "toRepo": "{viewer}/moved", "type": "{kind}"},),
    "/api/settings/tokens": ({"displayName": "sneaky", "role": "write"},),
    "/api/settings/profile": ({"fullname": "Another"},),
    "/api/organizations/create": ({"name": "neworg", "fullname": "New"},),
    "/settings/profile": ({"fullname": "Another"},),
    "/api/validate-yaml": ({"content": "---\nlicense: mit\n---", "repoType": "model"},),
    "/role": ({"role": "admin"},),
}


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    url: str
    template: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.url}{self.query} ({self.content[:60]!r})"


def asks(
    *, ns: str, name: str, kinds: tuple[str, ...], viewer: str, below_repo: bool, tips: Mapping[str, str]
) -> Iterator[Ask]:
    """Yield requests for every method of every route, about repository ``ns/name`` of each of ``kinds``.

    Args: ``below_repo``: only the routes of one repository, the two that name it in their body among them.
    ``tips`` are commits to push, by kind.
    """
    for route in ROUTES:
        in_body = route.template in ("/api/repos/delete", "/api/repos/move")
        if below_repo and not in_body and not ("{ns}" in route.template and "{name}" in route.template):
            continue
        for plural in _plurals(route, kinds, in_body=in_body):
            facts = {
                "ns": ns,
                "name": name,
                "viewer": viewer,
                "kind": plural.removesuffix("s"),
                "tip": tips.get(plural, "1" * 40),
            }
            for method in _methods(route):
                url = _fill(route.template, method, plural, ns=ns, name=name)
                yield from _with_bodies(route, method, url, facts)


def _plurals(route: Route, kinds: tuple[str, ...], *, in_body: bool) -> tuple[str, ...]:
    fixed = route.fixed.get("type")
    if fixed is not None:
        return (fixed,) if fixed in kinds else ()
    return kinds if "{type:" in route.template or in_body else kinds[:1]


def _methods(route: Route) -> Iterator[str]:
    yield from route.methods
    if "GET" in route.methods and "HEAD" not in route.methods:
        yield "HEAD"


def _fill(template: str, method: str, plural: str, *, ns: str, name: str) -> str:
    known = {**_PARAMETERS, "type": plural, "ns": ns, "name": name}
    if template.endswith("/branch/{rev:path}"):
        known["rev"] = "new" if method == "POST" else "side"
    if template.endswith("/discussions/{path:path}"):
        # One segment would be a discussion's number.
        known["path"] = "1/reactions"
    return re.sub(r"\{(\w+)(?::[^}]*)?\}", lambda found: quote(known.get(found[1], _NOBODYS_ID)), template)


def _with_bodies(route: Route, method: str, url: str, facts: Mapping[str, str]) -> Iterator[Ask]:
    template = route.template
    if method in ("GET", "HEAD"):
        for query in _queries(template):
            yield Ask(method, url, template, query=query)
        return
    yield Ask(method, url, template)
    if template.endswith("git-receive-pack"):
        line = f"{NULL_OID} {facts['tip']} refs/heads/pushed\0report-status"
        creates = f"{len(line) + 4:04x}{line}0000".encode() + _NO_OBJECTS
        sent = {"Content-Type": "application/x-git-receive-pack-request"}
        yield Ask(method, url, template, b"0000", sent)
        yield Ask(method, url, template, creates, sent)
    elif template.endswith("git-upload-pack"):
        sent = {"Content-Type": "application/x-git-upload-pack-request"}
        yield Ask(method, url, template, b"0000", sent)
        yield Ask(method, url, template, b"0014command=ls-refs\n0000", {**sent, "Git-Protocol": "version=2"})
    elif "/commit/{rev:path}" in template:
        body = ndjson(header(), file("new.txt", b"new"))
        for query in ("", "?create_pr=1"):
            yield Ask(method, url, template, body, {"Content-Type": "application/x-ndjson"}, query)
    else:
        for ending, bodies in _JSON_BODIES.items():
            if template.endswith(ending):
                for body in bodies:
                    text = json.dumps(body)
                    for key, value in facts.items():
                        text = text.replace(f"{{{key}}}", value)
                    yield Ask(method, url, template, text.encode(), {"Content-Type": "application/json"})
                return


def _queries(template: str) -> tuple[str, ...]:
    if template.endswith("info/refs"):
        return ("?service=git-upload-pack", "?service=git-receive-pack", "")
    if template.endswith("/xet-write-token/{rev:path}"):
        return ("", "?create_pr=1")
    if template.endswith(("{ns}/{name}", "/tree/{rev}")):
        return ("", "?expand[]=sha", "?expand=true", "?blobs=true")
    if "/viewer/" in template:
        return ("", "?config=default&split=train&query=text&base=main&where=")
    return ("",)


def fill_repo(owner: httpx.Client, ns: str, name: str, kind: str) -> str:
    """Create a repository with something of everything that `asks` names in it; returns the tip of its main."""
    body = {"name": name, "organization": ns, "type": kind, **({"sdk": "static"} if kind == "space" else {})}
    api, prefix = f"/api/{kind}s/{ns}/{name}", "" if kind == "model" else f"/{kind}s"
    assert owner.post("/api/repos/create", json=body).status_code == 200
    wish = {"operation": "upload", "transfers": ["basic"], "objects": [_WISH]}
    planned = owner.post(f"{prefix}/{ns}/{name}.git/info/lfs/objects/batch", json=wish).json()["objects"][0]
    if "actions" in planned:
        assert owner.put(planned["actions"]["upload"]["href"], content=LFS_DATA).status_code == 200
    lines = ndjson(header(), file("a.txt", b"text"), lfs_file("large.bin", LFS_OID))
    for query in ("", "?create_pr=1"):
        done = owner.post(f"{api}/commit/main{query}", content=lines, headers=NDJSON)
        assert done.status_code == 200, done.text
    assert owner.post(f"{api}/branch/side", json={}).status_code == 200
    assert owner.post(f"{api}/tag/main", json={"tag": "main"}).status_code == 200
    lock = owner.post(f"{prefix}/{ns}/{name}.git/info/lfs/locks", json={"path": "a.txt"})
    assert lock.status_code == 201
    return str(owner.get(api).json()["sha"])
