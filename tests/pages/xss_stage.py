"""A hub in which everything that people may write is one of the payloads: what `test_xss` walks through."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import httpx

from api.content import Content, Large, Link
from openhood.base.names import RepoType
from openhood.domain.access import SYSTEM
from openhood.domain.discussions import actions as discussions
from openhood.testing.hub import HubUnderTest
from pages.xss_corpus import PAYLOADS
from unit.tensor_files import f32, gguf_file, safetensors_file

PASSWORD = "correct horse battery"
ALL = "\n\n".join(PAYLOADS)
LONG = " ".join(PAYLOADS)
GROUPS = tuple(" ".join(PAYLOADS[at : at + 6]) for at in range(0, len(PAYLOADS), 6))


class Stage:
    """The hub, a browser of the administrator who wrote all of it, and how many payloads each place took."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub = hub
        self.taken: Counter[str] = Counter()
        self.extra: list[str] = []
        self.contents: dict[str, Content] = {}
        self.hooks: list[str] = []
        hub.add_user("mallory", admin=True, password=PASSWORD, email="mallory@example.org")
        self.token = hub.add_token("mallory")
        hub.add_org("acme", {"mallory": "admin"})
        self.browser = hub.client(headers={"Origin": hub.url})
        assert self.browser.post("/login", data={"name": "mallory", "password": PASSWORD}).status_code == 303

    def fill(self) -> None:
        """Write every payload everywhere."""
        self._repositories()
        self._things()
        self._talk()
        self._people()
        self._settings()
        self.hub.run_jobs()
        self._announce()
        self.extra += list(self._echoes())

    def note(self, place: str, answer: httpx.Response) -> httpx.Response:
        """Count what was taken; what is refused says so on a page or in JSON, and never breaks."""
        assert answer.status_code < 500, (place, answer.text[:300])
        self.taken[place] += answer.status_code < 400
        return answer

    # --- repositories -------------------------------------------------------------------------

    def _repositories(self) -> None:
        sv = self.hub.sv
        for kind, name in ((RepoType.MODEL, "m"), (RepoType.DATASET, "d"), (RepoType.SPACE, "s")):
            content = Content(sv, f"mallory/{name}", kind=kind, gated="manual" if name == "d" else "")
            self.contents[name] = content
            content.commit(dict(self._files()), message=LONG[:2000], author=(PAYLOADS[0], PAYLOADS[8]))
            changed = {"config.json": json.dumps({"model_type": "x", "evil": PAYLOADS[0]}).encode()}
            changed["notes.txt"] = LONG.encode() + b"\nmore"
            for payload in PAYLOADS if name == "m" else GROUPS:
                content.commit(changed, message=payload, author=(payload.replace("\n", " "), "a@b.example"))
            tip = content.ref("refs/heads/main")
            assert tip is not None
            for number, payload in enumerate(PAYLOADS):
                letters = "".join(each for each in payload if each > " " and each not in "~^:?*[\\\x7f")
                content.point(
                    f"refs/heads/{number}{letters[:80].replace('..', '').strip('./')}x", tip.commit_oid
                )  # type: ignore[arg-type]
            self.extra += [f"{content.repo.web_path}/commit/{tip.commit_oid}"]
            self.extra += [f"{content.repo.web_path}/compare/main...{quote('refs/heads/main', safe='')}"]

        table = Content(sv, "mallory/t", kind=RepoType.DATASET)
        table.commit({"data/train.csv": self._table(), "README.md": b"# A table"}, message="A table")
        for page in ("viewer", "embed/viewer"):
            for place in ("", "/default", "/default/train", "/default/train?where=" + quote(PAYLOADS[0])):
                self.extra.append(f"/datasets/mallory/t/{page}{place}")

    @staticmethod
    def _table() -> bytes:
        rows = "\n".join('"' + each.replace('"', '""') + '",1' for each in PAYLOADS)
        return f"{json.dumps(PAYLOADS[0])},n\n{rows}\n".encode()

    @staticmethod
    def _files() -> Iterator[tuple[str, bytes | Large | Link | None]]:
        fields = "\n".join(f"  {json.dumps(each[:200])}: text" for each in PAYLOADS)
        card = (
            f"---\nlicense: {json.dumps(PAYLOADS[0])}\nlicense_name: {json.dumps(PAYLOADS[8])}\n"
            f"license_link: {json.dumps(PAYLOADS[22])}\ntags: {json.dumps([each[:90] for each in PAYLOADS])}\n"
            f"language: [en, {json.dumps(PAYLOADS[0])}]\npipeline_tag: text-generation\n"
            f"title: {json.dumps(PAYLOADS[8])}\nemoji: {json.dumps(PAYLOADS[0])}\nsdk: static\n"
            f"short_description: {json.dumps(PAYLOADS[8])}\nbase_model: {json.dumps(PAYLOADS[9])}\n"
            f"model-index:\n- name: {json.dumps(PAYLOADS[0])}\n  results:\n  - task: {{type: {json.dumps(PAYLOADS[0])}}}\n"
            f"    dataset: {{name: {json.dumps(PAYLOADS[8])}, type: {json.dumps(PAYLOADS[0])}}}\n"
            f"    metrics: [{{type: {json.dumps(PAYLOADS[0])}, value: {json.dumps(PAYLOADS[8])}}}]\n"
            f"extra_gated_heading: {json.dumps(PAYLOADS[0])}\nextra_gated_description: {json.dumps(PAYLOADS[8])}\n"
            f"extra_gated_prompt: {json.dumps(ALL)}\nextra_gated_button_content: {json.dumps(PAYLOADS[10])}\n"
            f"extra_gated_fields:\n{fields}\n"
            f"---\n# {PAYLOADS[0]}\n\n{ALL}\n\n"
        )
        cells = [
            {"cell_type": "markdown", "source": ALL},
            {"cell_type": "code", "source": LONG, "outputs": []},
        ]
        outputs = [
            {"output_type": "stream", "text": [LONG]},
            {"output_type": "display_data", "data": {"text/html": LONG, "text/plain": LONG}},
            {
                "output_type": "display_data",
                "data": {"image/svg+xml": "<svg onload=alert(1)>", "image/png": PAYLOADS[8]},
            },
            {"output_type": "error", "ename": PAYLOADS[0], "evalue": PAYLOADS[8], "traceback": [LONG]},
        ]
        cells[1]["outputs"] = outputs  # type: ignore[assignment]
        notebook = {"nbformat": 4, "metadata": {"language_info": {"name": PAYLOADS[0]}}, "cells": cells}
        yield "README.md", card.encode()
        yield "other.md", ALL.encode()
        yield "notes.txt", LONG.encode()
        yield "evil.html", LONG.encode()
        yield "evil.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
        yield "evil.pdf", b"%PDF-1.4 <script>"
        yield "code.py", ('"""' + LONG + '"""').encode()
        yield "demo.ipynb", json.dumps(notebook).encode()
        yield "table.csv", Stage._table()
        yield "config.json", json.dumps({"model_type": PAYLOADS[0], "architectures": [PAYLOADS[8]]}).encode()
        yield "link", Link(PAYLOADS[0])
        tensors = {f"{each} {number}": ("F32", [1], f32(number)) for number, each in enumerate(PAYLOADS)}
        metadata = {each: PAYLOADS[-1 - number] for number, each in enumerate(PAYLOADS)}
        yield "model.safetensors", Large(safetensors_file(tensors, metadata))
        known = {each: each for each in PAYLOADS} | {"general.architecture": PAYLOADS[0]}
        named = {f"{each} {number}"[:60]: (0, [1], f32(1)) for number, each in enumerate(PAYLOADS)}
        yield "model.gguf", Large(gguf_file(known, named))
        for number, payload in enumerate(PAYLOADS):
            name = "".join(each for each in payload if each not in "/\0\n\r\t").strip(". ")[:120]
            yield f"odd/{number} {name}.txt", payload.encode()
            yield f"odd {number} {name[:60]}/inside.md", payload.encode()

    # --- what is said ---------------------------------------------------------------------------

    def _talk(self) -> None:
        sv = self.hub.sv
        for number, payload in enumerate(PAYLOADS, 1):
            made = self.note(
                "discussion titles",
                self.browser.post(
                    "/api/models/mallory/m/discussions", json={"title": payload[:200], "description": payload}
                ),
            )
            place = f"/api/models/mallory/m/discussions/{made.json().get('num', 1)}"
            self.note("comments", self.browser.post(f"{place}/comment", json={"comment": payload}))
            self.note(
                "new titles", self.browser.post(f"{place}/title", json={"title": f"{number} {payload}"[:200]})
            )
        found = discussions.get_details(
            sv, SYSTEM, repo_type=RepoType.MODEL, repo_id=self.contents["m"].repo_id, number=1
        )
        comment = next(each for each in found.events if each.kind == "comment")
        edit = f"/api/models/mallory/m/discussions/1/comment/{comment.hex_id}/edit"
        self.note("edits", self.browser.post(edit, json={"content": ALL[:20_000]}))
        self.extra += ["/mallory/m/discussions/1?all=1", f"/mallory/m/discussions/1/comment/{comment.hex_id}"]
        pull = {"title": PAYLOADS[8], "description": ALL, "pullRequest": True}
        made = self.note("pull requests", self.browser.post("/api/models/mallory/m/discussions", json=pull))
        number = made.json()["num"]
        self.contents["m"].commit(
            {"new <xssmark>.txt": ALL.encode()}, ref=f"refs/pr/{number}", message=PAYLOADS[0]
        )
        self.extra += [f"/mallory/m/discussions/{number}{tail}" for tail in ("", "/commits", "/files")]
        dataset = "/api/datasets/mallory/d/discussions"
        self.note(
            "discussions of datasets",
            self.browser.post(dataset, json={"title": PAYLOADS[8], "description": ALL}),
        )

    # --- people ---------------------------------------------------------------------------------

    def _people(self) -> None:
        hub = self.hub
        for number, payload in enumerate(PAYLOADS):
            name = f"victim{number}"
            client = hub.client(hub.add_user(name))
            profile = {"do": "profile", "fullname": payload[:90], "details": payload[:250]}
            self.note("profiles", client.post("/settings/account", data=profile))
            links = {"website": f"https://evil.example/{payload[:150]}", "github": payload[:190]}
            self.note("links of profiles", client.post("/settings/account/links", data=links))
            del links["github"]
            self.note("links of profiles", client.post("/settings/account/links", data=links))
            self.note("follows", client.post("/-/people/mallory/follow", data={"do": "follow"}))
            answers = {each[:200]: payload for each in PAYLOADS}
            self.note("answers at gates", client.post("/datasets/mallory/d/ask-access", data=answers))
            report = {"reason": "spam", "text": payload, "type": "model", "repo": "mallory/m"}
            self.note("reports", client.post("/api/reports", json=report))
            if number < 6:
                self.extra += [f"/{name}", f"/{name}?tab=followers", f"/admin/users/{name}"]
            org = f"org{number}"
            new = {"do": "create", "name": org, "fullname": payload[:90], "visibility": "public"}
            self.note("organizations", self.browser.post("/organizations/new", data=new))
            changed = {"do": "save", "fullname": payload[:90], "details": payload[:250]}
            self.note(
                "organization cards",
                self.browser.post(f"/organizations/{org}/settings/profile", data=changed),
            )
            self.extra += [f"/{org}"] if number < 6 else []

    # --- collections, tokens, webhooks, applications ------------------------------------------------

    def _things(self) -> None:
        for payload in PAYLOADS:
            new = {
                "do": "create",
                "title": payload[:60],
                "owner": "mallory",
                "theme": "pink",
                "description": payload[:150],
            }
            made = self.note("collections", self.browser.post("/collections/new", data=new))
            if made.status_code == 303:
                path = made.headers["Location"].partition("?")[0]
                item = {"do": "add", "kind": "model", "name": "mallory/m", "note": payload[:500]}
                self.note("notes of collections", self.browser.post(path, data=item))
                self.extra += [path, f"{path}?edit=1"] if self.taken["collections"] < 8 else []
            token = {"do": "create", "display_name": payload[:120], "role": "read"}
            self.note("tokens", self.browser.post("/settings/tokens", data=token))
            hook = {
                "do": "create",
                "url": f"https://hooks.invalid/{quote(payload[:100])}",
                "watched": "user mallory",
                "domain": "discussion",
                "secret": payload[:100],
            }
            if not self.taken["webhooks"]:
                made = self.note("webhooks", self.browser.post("/settings/webhooks", data=hook))
                self.hooks.append(made.headers.get("Location", "").partition("?")[0])
            app = {
                "kind": "public",
                "name": payload[:120],
                "uri": payload[:200],
                "redirects": "https://a.example/cb",
            }
            self.note("applications", self.browser.post("/settings/connected-applications", data=app))
            app["uri"] = f"https://a.example/{payload[:100]}"
            self.note("applications", self.browser.post("/settings/connected-applications", data=app))

    # --- what is set ----------------------------------------------------------------------------------

    def _settings(self) -> None:
        base = "/organizations/acme/settings"
        for number, payload in enumerate(PAYLOADS):
            group = {"do": "create", "name": payload[:60], "description": payload[:200]}
            self.note("resource groups", self.browser.post(f"{base}/resource-groups", data=group))
            service = {"do": "create", "name": f"robot-{number}", "fullname": payload[:90], "role": "read"}
            self.note("service accounts", self.browser.post(f"{base}/service-accounts", data=service))
            publisher = {
                "do": "add",
                "issuer": "https://gitlab.com",
                "subject": payload[:200],
                "audience": payload[:200],
                "claims": "",
                "role": "read",
            }
            self.note("publishers", self.browser.post("/mallory/m/settings/publishers", data=publisher))
            invited = {"do": "invite", "whom": payload[:100], "role": "read"}
            self.note("invitations", self.browser.post(f"{base}/invitations", data=invited))
            tag = {"do": "tag", "name": f"tag-{number}", "from": "main", "message": payload[:500]}
            self.note("messages of tags", self.browser.post("/mallory/m/settings/refs", data=tag))

    def _announce(self) -> None:
        body = {"text": LONG[:200], "kind": "warn", "link": "/<xssmark>"}
        self.note("announcements", self.browser.put("/api/announcement", json=body))
        for payload in PAYLOADS:
            said = {"text": payload[:200], "link": payload[:200]}
            self.note("links of announcements", self.browser.put("/api/announcement", json=said))

    @staticmethod
    def _echoes() -> Iterator[str]:
        """Yield addresses whose pages say again what was asked for."""
        for payload in GROUPS:
            said = quote(payload, safe="")
            yield f"/search?q={said}"
            yield f"/models?search={said}&author={said}&other={said}&pipeline_tag={said}&sort={said}"
            yield f"/datasets?search={said}&license={said}"
            yield f"/models?num_parameters={said}&cursor={said}"
            yield f"/{said}"
            yield f"/{said}/{said}"
            yield f"/mallory/m/tree/{said}"
            yield f"/mallory/m/blob/main/{said}"
            yield f"/mallory/m/find/main?q={said}"
            yield f"/mallory/m/compare/{said}...main"
            yield f"/mallory/m/commit/{said}"
            yield f"/mallory/m/discussions?search={said}&author={said}"
            yield f"/mallory/m/discussions?type={said}"
            yield f"/mallory/m/blob/main/model.safetensors?q={said}&sort={said}&dtype={said}"
            yield f"/login?next={said}"
            yield f"/join?invitation={said}"
            yield f"/device?user_code={said}"
            yield f"/settings/tokens?done={said}"
            yield f"/settings/webhooks?done={said}"
            yield f"/new?type={said}&owner={said}"
            yield f"/collections?q={said}&sort={said}"
            yield f"/collections/{said}"
            yield f"/inbox?show={said}&cursor={said}"
            yield f"/mallory?tab={said}"
            yield f"/admin/users?q={said}&done={said}"
            yield f"/admin/audit?action={said}&actor={said}&start={said}"
            yield f"/admin/jobs?state={said}"
            yield f"/oauth/authorize?client_id={said}&redirect_uri={said}&state={said}"
            yield f"/sso/{said}/start"
            yield f"/sso/nobody/callback?error={said}&error_description={said}"
            yield f"/mail/unsubscribe/{said}"
            yield f"/mail/confirm/{said}"
            yield f"/invitations/{said}"
            yield f"/setup/{said}"
