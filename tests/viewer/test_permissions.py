"""Who may not read a dataset's files gets nothing of its rows by any route of the viewer, and who may gets them by each."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.http.routes import ROUTES
from openhood.testing.hub import HubUnderTest
from viewer.conftest import Desk, open_desk

SECRET = "xylophone"
PARTS = {
    "rev": "main",
    "config": "default",
    "split": "train",
    "row": "0",
    "column": "word",
    "shard": "0",
    "path": "0",
}
QUERY = {
    "config": "default",
    "split": "train",
    "query": SECRET,
    "where": '"n" > 0',
    "base": "main",
}
SQL = {"sql": "FROM train"}
EDIT = {"config": "default", "split": "train", "changes": [{"row_idx": 0, "column": "n", "value": 7}]}
NO_ANSWER = ("presidio-entities", "viewer-asset")
"""Here nobody is answered: nothing is scanned, and a word is no picture."""


@dataclass(frozen=True)
class Ask:
    """A route of the viewer with something at every place."""

    method: str
    template: str

    def to(self, client: httpx.Client, repo: str) -> httpx.Response:
        owner, _, name = repo.partition("/")
        parts = {**PARTS, "ns": owner, "name": name}
        path = re.sub(r"\{(\w+)[^}]*\}", lambda found: parts[found[1]], self.template)
        body: dict[str, Any] | None = None
        if self.method == "POST":
            body = SQL if path.endswith("/sql") else EDIT
        return client.request(self.method, path, params=QUERY, json=body, follow_redirects=False)


def _asks() -> Iterator[Ask]:
    for route in ROUTES:
        is_table = route.dialect == "viewer" or ".studio." in route.handler.__module__
        is_parquet = route.handler.__module__.endswith(".api.parquet")
        if is_table or is_parquet:
            yield from (Ask(method, route.template) for method in route.methods if method != "HEAD")


ASKS = sorted(_asks(), key=str)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with HubUnderTest() as hub:
        yield open_desk(hub)


@pytest.fixture(scope="module")
def secrets(desk: Desk) -> dict[str, str]:
    """The same rows behind each kind of door; of Parquet everything has an answer at once."""
    table = pa.table({"n": [1, 2], "word": [SECRET, "other"]})
    written = io.BytesIO()
    pq.write_table(table, written)
    files = {"train.parquet": written.getvalue()}
    made = {
        "private": desk.make(files, private=True),
        "gated": desk.make(files, gated="manual"),
    }
    for repo in made.values():
        desk.rows(repo)
        desk.get(repo, "statistics", config="default", split="train")
    return made


def test_all_routes_are_asked() -> None:
    assert len(ASKS) > 25
    assert {
        "/api/datasets/{ns}/{name}/viewer/edit",
        "/datasets/{ns}/{name}/embed/viewer",
        "/datasets/{ns}/{name}/viewer-asset/{rev}/{config}/{split}/{row}/{column}/{path:path}",
    } <= {each.template for each in ASKS}


@pytest.mark.parametrize("door", ["private", "gated"])
@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.template}")
def test_nobody_gets_rows_who_may_not(desk: Desk, secrets: dict[str, str], door: str, ask: Ask) -> None:
    repo = secrets[door]
    for client in (desk.stranger, desk.bob):
        answer = ask.to(client, repo)
        # The word that was looked for comes back in a page's own form; no row does.
        text = re.sub(r'(?:value|content|href)="[^"]*"', "", answer.text)
        assert SECRET not in text, (answer.status_code, answer.text[:500])
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        assert is_page or answer.status_code in (401, 403, 404), (answer.status_code, answer.text[:500])
        assert "public" not in answer.headers.get("Cache-Control", "")


@pytest.fixture(scope="module")
def waiting(desk: Desk, secrets: dict[str, str]) -> httpx.Client:
    """Somebody who asked to be let in and was not answered yet."""
    client = desk.hub.client(desk.hub.add_user("wanda"))
    asked = client.post(f"/datasets/{secrets['gated']}/ask-access", json={})
    assert asked.status_code < 400, asked.text
    return client


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.template}")
def test_asking_is_not_being_let_in(
    desk: Desk, secrets: dict[str, str], waiting: httpx.Client, ask: Ask
) -> None:
    answer = ask.to(waiting, secrets["gated"])
    text = re.sub(r'(?:value|content|href)="[^"]*"', "", answer.text)
    assert SECRET not in text, (answer.status_code, answer.text[:500])
    is_page = answer.headers.get("Content-Type", "").startswith("text/html")
    assert is_page or answer.status_code in (401, 403, 404), (answer.status_code, answer.text[:500])


@pytest.mark.parametrize("door", ["private", "gated"])
def test_a_statement_over_an_open_dataset_is_no_way_round(
    desk: Desk, secrets: dict[str, str], waiting: httpx.Client, door: str
) -> None:
    theirs = desk.make({"train.csv": "n\n1\n2\n"})
    sql = {"sql": f'SELECT word FROM train JOIN "{secrets[door]}".train USING (n) ORDER BY n'}
    for client in (desk.stranger, waiting):
        answer = client.post(f"/api/datasets/{theirs}/viewer/sql", json=sql)
        assert answer.status_code == 422, answer.text
        assert SECRET not in answer.text
    mine = desk.alice.post(f"/api/datasets/{theirs}/viewer/sql", json=sql)
    assert mine.json()["rows"] == [[SECRET], ["other"]]


@pytest.mark.parametrize("door", ["private", "gated"])
@pytest.mark.parametrize("endpoint", ["rows", "first-rows", "search", "filter", "statistics", "parquet"])
def test_the_other_host_has_the_same_doors(
    desk: Desk, secrets: dict[str, str], waiting: httpx.Client, door: str, endpoint: str
) -> None:
    host = {"Host": "datasets-server.hub.test"}
    query = {**QUERY, "dataset": secrets[door]}
    for client in (desk.stranger, waiting):
        answer = client.get(f"/{endpoint}", params=query, headers=host)
        assert answer.status_code in (401, 404), answer.text
        assert SECRET not in answer.text
    assert desk.alice.get(f"/{endpoint}", params=query, headers=host).status_code == 200


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.template}")
def test_whoever_was_let_in_gets_all(desk: Desk, secrets: dict[str, str], ask: Ask) -> None:
    if any(each in ask.template for each in NO_ANSWER):
        return
    repo = secrets["gated"]
    asked = desk.bob.post(f"/datasets/{repo}/ask-access", json={})
    assert asked.status_code < 400 or "already" in asked.text, asked.text
    granted = desk.alice.post(f"/api/datasets/{repo}/user-access-request/grant", json={"user": "bob"})
    assert granted.status_code in (200, 400), granted.text
    for client in (desk.alice, desk.bob):
        answer = ask.to(client, repo)
        if "/embed/" in ask.template:
            # What other sites show in a frame acts for nobody, whoever looks at it.
            assert answer.status_code == 401
            continue
        assert answer.status_code in (200, 302), answer.text[:500]
        assert "public" not in answer.headers.get("Cache-Control", "")
        if ask.template.endswith(("/rows", "/first-rows", "/search", "/filter", "viewer/{config}/{split}")):
            assert SECRET in answer.text
