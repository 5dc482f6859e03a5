"""Provision files: what they bring about, that a second time changes nothing, and how mistakes are told."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from openhood.base.names import RepoId, RepoType
from openhood.domain.provision.apply import apply_document
from openhood.domain.provision.document import BadProvisionFile, read_document
from openhood.domain.provision.items import Item, ProvisionFailed
from openhood.testing.hub import HubUnderTest

WEIGHTS = bytes(range(256)) * 40


class Desk:
    """A hub and a file that describes it."""

    def __init__(self, hub: HubUnderTest, directory: Path) -> None:
        self.hub = hub
        self.directory = directory
        self.file = directory / "hub.yaml"
        self.folder = directory / "model"
        self.folder.mkdir()
        (self.folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
        (self.folder / "config.json").write_text('{"model_type": "llama"}')
        (self.folder / "model.safetensors").write_bytes(WEIGHTS)
        (self.folder / "sub").mkdir()
        (self.folder / "sub" / "notes.txt").write_text("notes")

    def apply(self, document: Any, *, dry: bool = False) -> list[Item]:
        """Apply a document, given as YAML text or as what YAML would make of it."""
        self.file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return list(apply_document(self.hub.sv, read_document(self.file), dry=dry))

    def refused(self, document: Any) -> str:
        """The sentence with which a document is refused."""
        with pytest.raises((BadProvisionFile, ProvisionFailed)) as refused:
            self.apply(document)
        return refused.value.message

    def whoami(self, token: str) -> dict[str, Any]:
        answer = self.hub.client(token).get("/api/whoami-v2")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def resolve(self, path: str, token: str = "hf_writer") -> bytes:
        answer = self.hub.client(token).get(f"/acme/tiny/resolve/main/{path}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def commits(self) -> int:
        answer = self.hub.client("hf_writer").get("/api/models/acme/tiny/commits/main")
        assert answer.status_code == 200, answer.text
        return len(answer.json())


@pytest.fixture
def desk(hub_on_both: HubUnderTest, tmp_path: Path) -> Desk:
    return Desk(hub_on_both, tmp_path)


WHOLE = """
users:
  - {name: alice, password: "correct horse", fullname: Alice A., email: alice@example.org, admin: true,
     tokens: [{name: ci, value: hf_writer, role: write}]}
  - name: __robot__
    tokens:
      - {name: ci, value: hf_robot, role: read, expires: 2040-01-01}
      - name: fine
        value: hf_fine
        role: fineGrained
        scopes: {scoped: [{entity: {type: org, name: acme}, permissions: [repo.content.read]}]}
organizations:
  - {name: acme, fullname: Acme, members: {alice: admin, __robot__: read}, default_visibility: private}
repositories:
  - {type: model, id: acme/tiny, visibility: public, gated: manual, folder: ./model}
  - {type: datasets, id: alice/data, visibility: private}
  - {type: space, id: acme/app, card: {sdk: static, tags: [one, two]}}
aliases: {models: {gpt2: openai-community/gpt2}, datasets: {squad: rajpurkar/squad}}
"""


def outcomes(items: list[Item]) -> dict[str, str]:
    return {f"{item.kind} {item.name}": item.outcome for item in items}


def changed(items: list[Item]) -> dict[str, str]:
    return {name: outcome for name, outcome in outcomes(items).items() if outcome != "unchanged"}


def test_a_whole_hub_from_one_file(desk: Desk) -> None:
    items = desk.apply(WHOLE)
    assert set(outcomes(items).values()) == {"created", "updated"}
    me = desk.whoami("hf_writer")
    assert (me["name"], me["fullname"], me["email"]) == ("alice", "Alice A.", "alice@example.org")
    assert [(org["name"], org["roleInOrg"]) for org in me["orgs"]] == [("acme", "admin")]
    robot = desk.whoami("hf_robot")
    assert robot["name"] == "__robot__"
    assert robot["auth"]["accessToken"]["role"] == "read"
    assert desk.whoami("hf_fine")["auth"]["accessToken"]["role"] == "fineGrained"
    client = desk.hub.client("hf_writer")
    info = client.get("/api/models/acme/tiny").json()
    assert (info["private"], info["gated"], info["cardData"]["license"]) == (False, "manual", "mit")
    assert {each["rfilename"] for each in info["siblings"]} == {
        ".gitattributes",
        "README.md",
        "config.json",
        "model.safetensors",
        "sub/notes.txt",
    }
    assert client.get("/api/datasets/alice/data").json()["private"] is True
    space = client.get("/api/spaces/acme/app").json()
    assert (space["private"], space["sdk"], space["cardData"]["tags"]) == (True, "static", ["one", "two"])
    assert (
        client.get("/gpt2/resolve/main/config.json").headers["location"].startswith("/openai-community/gpt2/")
    )


def test_content_arrives_as_it_is_and_large_files_by_lfs(desk: Desk) -> None:
    desk.apply(WHOLE)
    assert desk.resolve("model.safetensors") == WEIGHTS
    assert desk.resolve("sub/notes.txt") == b"notes"
    tree = desk.hub.client("hf_writer").get("/api/models/acme/tiny/tree/main").json()
    lfs = {each["path"]: each["lfs"]["oid"] for each in tree if "lfs" in each}
    assert lfs == {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()}


def test_the_second_time_changes_nothing(desk: Desk) -> None:
    desk.apply(WHOLE)
    commits = desk.commits()
    again = desk.apply(WHOLE)
    assert changed(again) == {}
    assert desk.commits() == commits


def test_only_the_difference_is_applied(desk: Desk) -> None:
    desk.apply(WHOLE)
    commits = desk.commits()
    (desk.folder / "sub" / "notes.txt").write_text("more notes")
    edited = (
        WHOLE.replace("gated: manual", "gated: false")
        .replace("Alice A.", "Alice B.")
        .replace("__robot__: read", "__robot__: write")
        .replace("openai-community/gpt2", "acme/tiny")
        .replace("value: hf_robot, role: read", "value: hf_robot, role: write")
    )
    assert changed(desk.apply(edited)) == {
        "user alice": "updated",
        "token __robot__/ci": "updated",
        "member acme/__robot__": "updated",
        "repository model acme/tiny": "updated",
        "files model acme/tiny": "updated",
        "alias models gpt2": "updated",
    }
    assert desk.resolve("sub/notes.txt") == b"more notes"
    assert desk.commits() == commits + 1
    assert desk.hub.client().get("/api/models/acme/tiny").json()["gated"] is False
    assert desk.whoami("hf_robot")["auth"]["accessToken"]["role"] == "write"
    assert changed(desk.apply(edited)) == {}


def test_what_the_file_does_not_name_stays(desk: Desk) -> None:
    desk.apply(WHOLE)
    desk.apply("users: [{name: bob}]")
    assert desk.whoami("hf_writer")["fullname"] == "Alice A."
    desk.apply("users: [{name: alice}]\nrepositories: [{type: model, id: acme/tiny}]")
    assert desk.whoami("hf_writer")["fullname"] == "Alice A."
    assert desk.hub.client().get("/api/models/acme/tiny").json()["gated"] == "manual"


def test_passwords_are_set_and_compared(desk: Desk) -> None:
    document = "users: [{name: alice, password: 'correct horse', admin: true}]"
    desk.apply(document)
    assert changed(desk.apply(document)) == {}
    items = desk.apply(document.replace("correct horse", "other horse"))
    assert [(item.outcome, item.details) for item in items] == [("updated", "password")]
    form = {"name": "alice", "password": "other horse"}
    signed_in = desk.hub.client().post("/login", data=form, headers={"Origin": desk.hub.url})
    assert signed_in.status_code == 303


def test_secrets_may_lie_in_files_of_their_own(desk: Desk) -> None:
    (desk.directory / "password").write_text("correct horse\n")
    (desk.directory / "token").write_text("hf_fromAFile\n")
    document = """
users:
  - {name: alice, password_file: password, tokens: [{name: ci, value_file: ./token, role: write}]}
"""
    desk.apply(document)
    assert desk.whoami("hf_fromAFile")["name"] == "alice"
    assert changed(desk.apply(document)) == {}
    assert "users[0]: Cannot read the secret" in desk.refused("users: [{name: bob, password_file: none}]")


def test_a_token_without_a_value_is_made_once_and_shown(desk: Desk) -> None:
    document = "users: [{name: alice, tokens: [{name: ci, role: write}]}]"
    made = desk.apply(document)[1].secret
    assert made is not None
    assert desk.whoami(made)["name"] == "alice"
    again = desk.apply(document)[1]
    assert (again.outcome, again.secret) == ("unchanged", None)
    refused = desk.refused(document.replace("write", "read"))
    assert refused.startswith("users[0].tokens[0]: ")
    assert "revoke it first" in refused


def test_a_token_may_have_expired_already(desk: Desk) -> None:
    """For tests of clients that meet one."""
    document = (
        "users: [{name: alice, tokens: [{name: old, value: hf_expired, role: read, expires: 2020-01-01}]}]"
    )
    desk.apply(document)
    assert desk.hub.client("hf_expired").get("/api/whoami-v2").status_code == 401
    assert changed(desk.apply(document)) == {}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2040-01-02", datetime(2040, 1, 2, tzinfo=UTC)),
        ("'2040-01-02'", datetime(2040, 1, 2, tzinfo=UTC)),
        ("2040-01-02T03:04:05Z", datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2040-01-02T03:04:05+02:00", datetime(2040, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_dates_are_read_as_utc(tmp_path: Path, text: str, moment: datetime) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text(f"users: [{{name: a, tokens: [{{name: t, role: read, expires: {text}}}]}}]")
    assert read_document(file).users[0].tokens[0].expires == moment


def test_members_can_be_removed(desk: Desk) -> None:
    desk.apply(WHOLE)
    document = "organizations: [{name: acme, members: {__robot__: null}}]"
    assert changed(desk.apply(document)) == {"member acme/__robot__": "deleted"}
    assert desk.whoami("hf_robot")["orgs"] == []
    assert changed(desk.apply(document)) == {}


def test_users_can_be_locked_out_and_let_in(desk: Desk) -> None:
    document = "users: [{name: bob, disabled: true, tokens: [{name: t, value: hf_bob, role: read}]}]"
    desk.apply(document)
    assert desk.hub.client("hf_bob").get("/api/whoami-v2").status_code == 401
    assert changed(desk.apply(document)) == {}
    assert changed(desk.apply("users: [{name: bob, fullname: Bob}]")) == {}
    assert changed(desk.apply(document.replace("disabled: true", "disabled: false"))) == {
        "user bob": "updated"
    }
    assert desk.whoami("hf_bob")["name"] == "bob"
    assert changed(desk.apply(document)) == {"user bob": "updated"}
    assert desk.hub.client("hf_bob").get("/api/whoami-v2").status_code == 401


def test_repositories_can_be_disabled_and_have_settings(desk: Desk) -> None:
    desk.apply(WHOLE)
    document = """
repositories: [{type: model, id: acme/tiny, disabled: true, gated: false, settings: {discussionsDisabled: true}}]
"""
    assert changed(desk.apply(document)) == {"repository model acme/tiny": "updated"}
    assert changed(desk.apply(document)) == {}
    refused = desk.hub.client("hf_robot").get("/api/models/acme/tiny")
    assert (refused.status_code, refused.headers["x-error-message"]) == (
        403,
        "Access to this resource is disabled.",
    )


def test_aliases_can_be_removed(desk: Desk) -> None:
    desk.apply("aliases: {models: {gpt2: a/b}}")
    assert changed(desk.apply("aliases: {models: {gpt2: null}}")) == {"alias models gpt2": "deleted"}
    assert desk.hub.client().get("/gpt2/resolve/main/x").status_code == 401


# --- folders --------------------------------------------------------------------------------


def folder_document(**more: Any) -> dict[str, Any]:
    return {
        "users": [
            {"name": "alice", "admin": True, "tokens": [{"name": "t", "value": "hf_writer", "role": "write"}]}
        ],
        "organizations": [{"name": "acme"}],
        "repositories": [{"type": "model", "id": "acme/tiny", "folder": "model", **more}],
    }


def paths(desk: Desk) -> set[str]:
    info = desk.hub.client("hf_writer").get("/api/models/acme/tiny").json()
    return {each["rfilename"] for each in info["siblings"]} - {".gitattributes"}


def test_files_are_deleted_only_when_asked(desk: Desk) -> None:
    desk.apply(folder_document())
    (desk.folder / "config.json").unlink()
    (desk.folder / "README.md").unlink()
    assert changed(desk.apply(folder_document())) == {}
    assert "config.json" in paths(desk)
    assert changed(desk.apply(folder_document(prune=True))) == {"files model acme/tiny": "updated"}
    assert paths(desk) == {"README.md", "model.safetensors", "sub/notes.txt"}
    assert changed(desk.apply(folder_document(prune=True))) == {}


def test_a_file_may_take_the_place_of_a_folder(desk: Desk) -> None:
    desk.apply(folder_document())
    (desk.folder / "sub" / "notes.txt").unlink()
    (desk.folder / "sub").rmdir()
    (desk.folder / "sub").write_text("a file now")
    desk.apply(folder_document(prune=True))
    assert desk.resolve("sub") == b"a file now"


def test_the_folders_own_rules_count(desk: Desk) -> None:
    (desk.folder / ".gitattributes").write_text("*.txt filter=lfs diff=lfs merge=lfs -text\n")
    (desk.folder / ".gitignore").write_text("*.tmp\nbuild/\n")
    (desk.folder / "x.tmp").write_text("scratch")
    (desk.folder / "build").mkdir()
    (desk.folder / "build" / "out.bin").write_bytes(b"\0")
    desk.apply(folder_document())
    assert paths(desk) == {".gitignore", "README.md", "config.json", "model.safetensors", "sub/notes.txt"}
    tree = desk.hub.client("hf_writer").get("/api/models/acme/tiny/tree/main?recursive=1").json()
    assert {each["path"] for each in tree if "lfs" in each} == {"sub/notes.txt", "model.safetensors"}
    assert changed(desk.apply(folder_document())) == {}
    (desk.folder / ".gitattributes").write_text("*.md filter=lfs diff=lfs merge=lfs -text\n")
    desk.apply(folder_document())
    # The weights were not uploaded again, and still git must know that they are a large file.
    assert desk.resolve(".gitattributes").decode().splitlines() == [
        "*.md filter=lfs diff=lfs merge=lfs -text",
        "/model.safetensors filter=lfs diff=lfs merge=lfs -text",
    ]
    assert changed(desk.apply(folder_document())) == {}


def test_what_clients_leave_behind_is_not_uploaded(desk: Desk) -> None:
    for name in (".git/config", ".cache/huggingface/download/x.lock", "sub/.git"):
        path = desk.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    desk.apply(folder_document())
    assert paths(desk) == {"README.md", "config.json", "model.safetensors", "sub/notes.txt"}


def test_links_to_files_count_as_files(desk: Desk) -> None:
    """A snapshot of the client's cache is made of them."""
    (desk.directory / "blob").write_text("linked")
    (desk.folder / "link.txt").symlink_to(desk.directory / "blob")
    (desk.folder / "broken").symlink_to(desk.directory / "none")
    desk.apply(folder_document())
    assert desk.resolve("link.txt") == b"linked"
    assert "broken" not in paths(desk)


def test_many_files_are_asked_about_in_turns(desk: Desk) -> None:
    many = desk.folder / "many"
    many.mkdir()
    for number in range(1100):
        (many / f"{number:04}.txt").write_text(str(number))
    items = desk.apply(folder_document())
    assert items[-1].details == "1104 to write, 1 of them by LFS"
    assert desk.resolve("many/1099.txt") == b"1099"
    assert changed(desk.apply(folder_document())) == {}


def test_the_commit_says_what_the_file_asks(desk: Desk) -> None:
    desk.apply(folder_document(message="Weights of the third run"))
    commits = desk.hub.client("hf_writer").get("/api/models/acme/tiny/commits/main").json()
    assert [each["title"] for each in commits] == ["Weights of the third run", "initial commit"]


# --- a dry run ------------------------------------------------------------------------------


def test_a_dry_run_says_all_and_does_nothing(desk: Desk) -> None:
    said = desk.apply(WHOLE, dry=True)
    assert desk.hub.client("hf_writer").get("/api/whoami-v2").status_code == 401
    done = desk.apply(WHOLE)
    assert outcomes(said) == {**outcomes(done), "files model acme/tiny": "created"}
    edited = WHOLE.replace("gated: manual", "gated: auto").replace("Alice A.", "Alice B.")
    assert changed(desk.apply(edited, dry=True)) == {
        "user alice": "updated",
        "repository model acme/tiny": "updated",
    }
    assert changed(desk.apply(WHOLE)) == {}


# --- mistakes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("usres: []", "usres: this key is unknown"),
        ("users: [{nmae: a}]", "users[0].name: this key is missing"),
        ("users: [{name: a, rights: all}]", "users[0].rights: this key is unknown"),
        ("users: [{name: 123}]", "users[0].name: must be text: put it in quotes"),
        ("users: [{name: a, admin: 'yes'}]", "users[0].admin:"),
        ("users: [{name: a}, {name: A}]", "the user or organization 'a' is listed twice"),
        ("users: [{name: a}]\norganizations: [{name: a}]", "listed twice"),
        ("users: [{name: a, password: x, password_file: y}]", "not both"),
        ("users: [{name: a, tokens: [{name: t, role: admin}]}]", "users[0].tokens[0].role:"),
        ("users: [{name: a, tokens: [{name: t}]}]", "users[0].tokens[0].role: this key is missing"),
        ("users: [{name: a, tokens: [{name: t, role: read, expires: soon}]}]", "2030-12-31"),
        ("organizations: [{name: o, members: {a: boss}}]", "organizations[0].members.a:"),
        ("repositories: [{type: modell, id: a/b}]", "repositories[0].type: must be model, dataset or space"),
        ("repositories: [{type: model, id: gpt2}]", "repositories[0].id: Repository id must be"),
        ("repositories: [{type: model, id: a/b--c}]", "repositories[0].id:"),
        ("repositories: [{type: model, id: a/b, gated: maybe}]", "repositories[0].gated"),
        ("repositories: [{type: model, id: a/b, prune: true}]", "'prune' needs a 'folder'"),
        ("aliases: {model: {gpt2: a/b}}", "aliases.model: this key is unknown"),
        ("users: [", "is not valid YAML"),
        ("users: []\nusers: []", "'users' is given twice"),
        ("just text", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("base: /etc", "must hold a mapping with the keys users"),
        ("users: !!python/object/apply:os.getcwd []", "is not valid YAML"),
    ],
)
def test_mistakes_are_found_before_anything_changes(tmp_path: Path, document: str, words: str) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text(document)
    with pytest.raises(BadProvisionFile) as refused:
        read_document(file)
    assert words.lower() in refused.value.message.lower()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadProvisionFile, match="Cannot read"):
        read_document(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("users: [{name: a b}]", "users[0]: Invalid namespace"),
        ("users: [{name: alice, password: short}]", "users[0]: The password must have at least"),
        ("users: [{name: alice, email: nonsense}]", "users[0]: 'nonsense' is not an e-mail address"),
        (
            "users: [{name: alice, tokens: [{name: t, value: secret, role: read}]}]",
            "users[0].tokens[0]: A token's value",
        ),
        (
            "organizations: [{name: acme, members: {nobody: read}}]",
            "organizations[0].members.nobody: There is no user",
        ),
        (
            "repositories: [{type: model, id: nobody/m}]",
            "repositories[0]: There is no user or organization called 'nobody'",
        ),
        (
            "users: [{name: a}]\nrepositories: [{type: space, id: a/s}]",
            "repositories[0]: A space needs an 'sdk'",
        ),
        (
            "users: [{name: a}]\nrepositories: [{type: model, id: a/m, folder: none}]",
            "repositories[0].folder: ",
        ),
        ("users: [{name: a}]\nrepositories: [{type: model, id: a/m, visibility: protected}]", "Only spaces"),
        ("aliases: {models: {a: a/b}}", "aliases.models.a: "),
    ],
)
def test_refusals_name_their_place(hub: HubUnderTest, tmp_path: Path, document: str, words: str) -> None:
    assert words in Desk(hub, tmp_path).refused(document)


def test_names_of_the_other_kind_are_refused(desk: Desk) -> None:
    desk.apply(WHOLE)
    assert desk.refused("users: [{name: acme}]") == "users[0]: acme is an organization."
    assert desk.refused("organizations: [{name: alice}]") == "organizations[0]: alice is a user."


def test_a_token_of_somebody_else_is_not_taken_over(desk: Desk) -> None:
    desk.apply(WHOLE)
    refused = desk.refused("users: [{name: bob, tokens: [{name: ci, value: hf_writer, role: write}]}]")
    assert refused.startswith("users[0].tokens[0]: ")
    assert desk.whoami("hf_writer")["name"] == "alice"


def test_an_id_that_moved_is_refused(desk: Desk) -> None:
    """Creating it anew would take the redirect away from everybody who uses the old id."""
    from openhood.domain.access import SYSTEM
    from openhood.domain.repos.lifecycle import move_repo

    desk.apply(WHOLE)
    move_repo(
        desk.hub.sv,
        SYSTEM,
        repo_type=RepoType.MODEL,
        old=RepoId("acme", "tiny"),
        new=RepoId("alice", "small"),
    )
    assert "repositories[0]: This repository was moved to alice/small" in desk.refused(WHOLE)


def test_what_came_before_a_refusal_stays(desk: Desk) -> None:
    document = (
        "users: [{name: alice, tokens: [{name: t, value: hf_alice, role: read}]}, {name: bob, password: x}]"
    )
    desk.refused(document)
    assert desk.whoami("hf_alice")["name"] == "alice"
    assert changed(desk.apply(document.replace("password: x", "password: long enough"))) == {
        "user bob": "created"
    }
