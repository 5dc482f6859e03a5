"""Every kind of page of the hub, with an address that shows it full, and what has to be there for that.

`dress` adds to the demonstration what it lacks: a file of every kind, a guest, tokens, a webhook.
"""

from __future__ import annotations

import base64
import io
import json
import math
import pickle
import re
import struct
import time
import wave
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx

from browser.kit import PASSWORD, LiveHub

MODEL = "/fjord-labs/fjord-tiny-lm"
IMAGES = "/datasets/ada/garden-birds"
TABLES = "/datasets/fjord-labs/harbour-reports"
SPACE = "/spaces/fjord-labs/tide-table"
GATED = "/yuki/kana-ocr"
SHELF = "/ada/every-kind-of-file"
ORG = "/organizations/fjord-labs/settings"
CALLBACK = "http://localhost:9000/signed-in"


@dataclass(frozen=True)
class Kind:
    """One kind of page: who looks at it, and the status it answers with."""

    name: str
    path: str
    who: str | None = None
    status: int = 200


def dress(hub: LiveHub) -> None:
    """Add to a hub with the demonstration in it what every kind of page needs in order to be full."""
    with hub.client() as guest:
        _done(
            guest.post("/join", data={"name": "guest", "password": PASSWORD, "email": "", "invitation": ""})
        )
        hub.passwords["guest"] = PASSWORD
    with hub.client("ada") as ada:
        _shelf(ada)
        _done(ada.post("/settings/tokens", data={"do": "create", "display_name": "laptop", "role": "write"}))
        _done(ada.post("/settings/tokens", data={
            "do": "create", "display_name": "nightly build", "role": "fineGrained", "permission": "repo.content.read",
            "entities": MODEL.strip("/"),
        }))  # fmt: skip
        _done(ada.post("/api/settings/webhooks", json={
            "watched": [{"type": "org", "name": "fjord-labs"}], "url": "https://ci.example.org/hook", "domains": ["repo"],
        }))  # fmt: skip
        _done(ada.post(f"{ORG}/resource-groups", data={"do": "create", "name": "Release team"}))
        _done(ada.post("/settings/connected-applications", data={
            "kind": "public", "name": "Harbour dashboard", "redirects": CALLBACK,
            "scope": ["openid", "profile", "read-repos"],
        }))  # fmt: skip
        _done(
            ada.post(
                f"{ORG}/service-accounts", data={"do": "create", "name": "fjord-builder", "role": "write"}
            )
        )
        # What a webhook is told about.
        _done(ada.post(f"/api/models{MODEL}/branch/longer-context", json={}))
        invited = ada.post(f"{ORG}/invitations", data={"do": "invite", "whom": "guest", "role": "write"})
        hub.addresses["invitation"] = _in_text(invited, r"/invitations/[\w.-]+")


def kinds(hub: LiveHub) -> tuple[Kind, ...]:
    """Return every kind of page of a dressed hub."""
    with hub.client("ada") as ada:
        commit = ada.get(f"/api/models{MODEL}/commits/main").json()[0]["id"]
        talks = ada.get(f"/api/models{MODEL}/discussions").json()["discussions"]
        pull = next(each["num"] for each in talks if each["isPullRequest"])
        talk = next(each["num"] for each in talks if not each["isPullRequest"])
        collection = ada.get("/api/collections?owner=fjord-labs").json()[0]["slug"]
        merged = ada.get(f"/api{TABLES}/discussions").json()["discussions"]
        rows = next(each["num"] for each in merged if each["isPullRequest"])
        found = {
            "group": _found(ada, f"{ORG}/resource-groups", rf"{ORG}/resource-groups/\w+"),
            "application": _found(ada, "/settings/connected-applications", r"/settings/applications/[\w-]+"),
            "webhook": _found(ada, "/settings/webhooks", r"/settings/webhooks/\w+"),
        }
        found["delivery"] = _found(ada, found["webhook"], r"/settings/webhooks/\w+/deliveries/\w+")
        hub.addresses.update(found)
    return (
        *_front(), *_repositories(), *_files(), *_studios(), *_changes(commit, pull, talk, rows),
        *_people(collection), *_settings(hub.addresses), *_administration(), *_errors(),
    )  # fmt: skip


def fresh_kinds(hub: LiveHub) -> tuple[Kind, ...]:
    """Return the pages that look different on a hub that was started for the first time."""
    link = re.search(r"/setup/[\w-]+", hub.server.log_text())
    assert link is not None, hub.server.log_text()
    return (
        Kind("fresh-home", "/"),
        Kind("fresh-models", "/models"),
        Kind("fresh-setup", link.group()),
        Kind("fresh-setup-over", "/setup/not-this-one", status=404),
        Kind("fresh-join", "/join"),
    )


def _front() -> tuple[Kind, ...]:
    return (
        Kind("home-visitor", "/"),
        Kind("home", "/", "ada"),
        Kind("sign-in", "/login"),
        Kind("join", "/join"),
        Kind("models", "/models"),
        Kind("models-filtered", "/models?pipeline_tag=text-generation&sort=likes"),
        Kind("models-none", "/models?search=nothing-is-called-like-this"),
        Kind("datasets", "/datasets"),
        Kind("spaces", "/spaces"),
        Kind("search", "/search?q=birds"),
        Kind("search-none", "/search?q=xyzzyx"),
        Kind("new-repository", "/new", "ada"),
        Kind("api", "/docs/api"),
        Kind("style", "/-/style"),
    )


def _repositories() -> tuple[Kind, ...]:
    return (
        Kind("model", MODEL, "ada"),
        Kind("model-visitor", MODEL),
        Kind("dataset", IMAGES),
        Kind("dataset-tables", TABLES),
        Kind("space", SPACE),
        Kind("gated", GATED),
        Kind("gate", f"{GATED}/ask-access", "guest"),
        Kind("gate-waits", f"{GATED}/ask-access", "mateo"),
        Kind("repo-settings", f"{MODEL}/settings", "ada"),
        Kind("repo-access", f"{GATED}/settings/access", "yuki"),
        Kind("repo-refs", f"{MODEL}/settings/refs", "ada"),
        Kind("repo-storage", f"{MODEL}/settings/storage", "ada"),
        Kind("repo-publishers", f"{MODEL}/settings/publishers", "ada"),
    )


def _files() -> tuple[Kind, ...]:
    shelf = f"{SHELF}/blob/main"
    return (
        Kind("tree", f"{MODEL}/tree/main", "ada"),
        Kind("tree-folder", f"{IMAGES}/tree/main/train/robin"),
        Kind("find", f"{IMAGES}/find/main?q=robin"),
        Kind("blob-json", f"{MODEL}/blob/main/config.json", "ada"),
        Kind("blob-markdown", f"{MODEL}/blob/main/README.md"),
        Kind("blob-code", f"{shelf}/train.py"),
        Kind("blob-notebook", f"{shelf}/look.ipynb"),
        Kind("blob-image", f"{IMAGES}/blob/main/train/robin/000.png"),
        Kind("blob-audio", f"{shelf}/tone.wav"),
        Kind("blob-pdf", f"{shelf}/paper.pdf"),
        Kind("blob-pickle", f"{shelf}/weights.pkl"),
        Kind("blob-csv", f"{IMAGES}/blob/main/train/metadata.csv"),
        Kind("blob-parquet", f"{TABLES}/blob/main/data/train-00000-of-00001.parquet"),
        Kind("blob-binary", f"{shelf}/noise.bin"),
        Kind("tensors", f"{MODEL}/blob/main/model.safetensors"),
        Kind("tensors-sharded", "/ada/garden-bird-vit/blob/main/model.safetensors.index.json"),
        Kind("gguf", "/fjord-labs/fjord-tiny-lm-chat-GGUF/blob/main/fjord-tiny-lm-chat.Q8_0.gguf"),
        Kind("history-file", f"{MODEL}/commits/main/README.md"),
        Kind("blame", f"{MODEL}/blame/main/README.md"),
        Kind("edit", f"{MODEL}/edit/main/README.md", "ada"),
        Kind("new-file", f"{MODEL}/new/main", "ada"),
        Kind("upload", f"{MODEL}/upload/main", "ada"),
        Kind("delete-file", f"{MODEL}/delete/main/TRAINING.md", "ada"),
    )


def _studios() -> tuple[Kind, ...]:
    where = quote('"weather" = \'gale\' AND "delay_minutes" > 60')
    return (
        Kind("studio", f"{TABLES}/viewer"),
        Kind("studio-filtered", f"{TABLES}/viewer/default/train?where={where}&orderby=%22tonnes%22%20DESC"),
        Kind("studio-none", f"{TABLES}/viewer/default/train?where=%22tonnes%22%20%3C%200"),
        Kind("studio-mistake", f"{TABLES}/viewer/default/train?where=tonnes%20%3E%3E%20much"),
        Kind("studio-conditions", f"{TABLES}/viewer/default/train?view=filters"),
        Kind("studio-sql", f"{TABLES}/viewer/default/train?view=sql"),
        Kind("studio-edit", f"{TABLES}/viewer/default/train?view=edit", "ada"),
        Kind("studio-diff", f"{TABLES}/viewer/default/train?view=diff"),
        Kind("studio-use", f"{TABLES}/viewer/default/train?view=use"),
        Kind("studio-row", f"{TABLES}/viewer/default/train?row=3"),
        Kind("studio-images", f"{IMAGES}/viewer"),
        Kind("studio-lines", "/datasets/yuki/kana-strokes/viewer"),
        Kind("embed", f"{TABLES}/embed/viewer"),
    )


def _changes(commit: str, pull: int, talk: int, rows: int) -> tuple[Kind, ...]:
    talks = f"{MODEL}/discussions"
    return (
        Kind("commits", f"{MODEL}/commits/main"),
        Kind("commit", f"{MODEL}/commit/{commit}"),
        Kind("compare", f"{MODEL}/compare"),
        Kind("compared", f"{MODEL}/compare/main...refs%2Fpr%2F{pull}"),
        Kind("compared-split", f"{MODEL}/compare/main...refs%2Fpr%2F{pull}?view=split"),
        Kind("discussions", talks, "ada"),
        Kind("discussions-none", f"{SPACE}/discussions"),
        Kind("new-discussion", f"{talks}/new", "mateo"),
        Kind("discussion", f"{talks}/{talk}", "ada"),
        Kind("discussion-visitor", f"{talks}/{talk}"),
        Kind("pull-request", f"{talks}/{pull}", "ada"),
        Kind("pull-commits", f"{talks}/{pull}/commits", "ada"),
        Kind("pull-files", f"{talks}/{pull}/files", "ada"),
        Kind("pull-merged", f"{TABLES}/discussions/{rows}"),
        Kind("pull-rows", f"{TABLES}/discussions/{rows}/files"),
    )


def _people(collection: str) -> tuple[Kind, ...]:
    return (
        Kind("profile", "/ada"),
        Kind("profile-own", "/mateo", "mateo"),
        Kind("organization", "/fjord-labs"),
        Kind("organization-member", "/fjord-labs", "ada"),
        Kind("collections", "/collections"),
        Kind("collections-of", "/collections/fjord-labs"),
        Kind("collection", f"/collections/{collection}"),
        Kind("collection-own", f"/collections/{collection}", "ada"),
        Kind("new-collection", "/collections/new", "ada"),
        Kind("inbox", "/inbox", "ada"),
        Kind("watching", "/inbox/watching", "ada"),
    )


def _settings(addresses: Mapping[str, str]) -> tuple[Kind, ...]:
    own = ("account", "appearance", "password", "second-factor", "tokens", "connected-applications", "webhooks",
           "notifications", "organizations")  # fmt: skip
    org = ("profile", "members", "invitations", "resource-groups", "tokens", "service-accounts", "audit-log")
    return (
        *(Kind(f"settings-{each}", f"/settings/{each}", "ada") for each in own),
        Kind("settings-webhook", addresses["webhook"], "ada"),
        Kind("settings-delivery", addresses["delivery"], "ada"),
        Kind("settings-application", addresses["application"], "ada"),
        Kind("new-organization", "/organizations/new", "ada"),
        *(Kind(f"organization-{each}", f"{ORG}/{each}", "ada") for each in org),
        Kind("organization-group", addresses["group"], "ada"),
        Kind("organization-service", f"{ORG}/service-accounts/fjord-builder", "ada"),
        Kind("device", "/device", "ada"),
        Kind("invitation", addresses["invitation"], "guest"),
        Kind("consent", f"/oauth/authorize?{_consent(addresses['application'])}", "mateo"),
    )


def _consent(application: str) -> str:
    """Return what a program asks for when somebody signs in to it with the hub."""
    return urlencode({
        "client_id": application.rsplit("/", 1)[1], "redirect_uri": CALLBACK, "response_type": "code",
        "scope": "openid profile read-repos", "state": "harbour", "code_challenge_method": "S256",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    })  # fmt: skip


def _administration() -> tuple[Kind, ...]:
    places = (
        "users",
        "users/mateo",
        "organizations",
        "repositories",
        "reports",
        "jobs",
        "storage",
        "settings",
        "audit",
        "announcement",
    )
    return (
        Kind("admin", "/admin", "ada"),
        *(Kind(f"admin-{each.replace('/', '-')}", f"/admin/{each}", "ada") for each in places),
    )


def _errors() -> tuple[Kind, ...]:
    return (
        Kind("not-found", "/nobody/nothing", "ada", status=404),
        Kind("not-found-visitor", "/nobody/nothing", status=401),
        Kind("no-file", f"{MODEL}/blob/main/no-such-file.txt", status=404),
        Kind("forbidden", "/admin", "mateo", status=403),
        Kind("wrong-filter", "/models?cursor=broken", status=400),
    )


def _shelf(ada: httpx.Client) -> None:
    _done(
        ada.post("/api/repos/create", json={"type": "model", "name": SHELF.split("/")[2], "private": False})
    )
    files = {
        "README.md": b"---\nlicense: mit\n---\n# Every kind of file\n\nOne of each, to look at.\n",
        "train.py": _CODE.encode(),
        "look.ipynb": json.dumps(_NOTEBOOK).encode(),
        "tone.wav": _tone(),
        "paper.pdf": _PDF,
        "weights.pkl": pickle.dumps(OrderedDict(step=1, rates=[0.1, 0.01])),
        "noise.bin": bytes(range(256)) * 8,
    }
    lines = [{"key": "header", "value": {"summary": "One of each"}}]
    for path, content in files.items():
        value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
        lines.append({"key": "file", "value": value})
    _done(ada.post(
        f"/api/models{SHELF}/commit/main", content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson"},
    ))  # fmt: skip


def _found(client: httpx.Client, path: str, pattern: str) -> str:
    """Return an address that a page names, once it does: some are written after the answer."""
    for _ in range(50):
        found = re.search(pattern, client.get(path).text)
        if found is not None:
            return found.group()
        time.sleep(0.2)
    raise AssertionError(f"{path} shows nothing like {pattern}")


def _in_text(answer: httpx.Response, pattern: str) -> str:
    _done(answer)
    found = re.search(pattern, answer.text)
    assert found is not None, f"{answer.request.url} shows nothing like {pattern}"
    return found.group()


def _done(answer: httpx.Response) -> None:
    assert answer.status_code < 300, (
        f"{answer.request.url} answered {answer.status_code}: {answer.text[-2000:]}"
    )


def _tone() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(at / 3))) for at in range(4000)))
    return out.getvalue()


_CODE = '''"""Train a very small model, in very few lines."""

from transformers import Trainer, TrainingArguments


def rate_of(step: int, *, warm_up: int = 100) -> float:
    # The rate grows first, then falls with the square root of the steps.
    return min(step / warm_up, (warm_up / max(step, 1)) ** 0.5) * 3e-4


if __name__ == "__main__":
    arguments = TrainingArguments(output_dir="out", num_train_epochs=3)
    Trainer(model=None, args=arguments).train()
'''

_NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"language": "python"}},
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": "## A first look\n\nHow long are the rows?"},
        {
            "cell_type": "code", "metadata": {}, "execution_count": 1,
            "source": "lengths = [len(row) for row in rows]\nprint(max(lengths))",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "217\n"}],
        },
    ],
}  # fmt: skip

_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)
