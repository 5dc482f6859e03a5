"""The command line on a data directory: what it does, what it prints, its exit codes, and no secret in argv."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from openhood import __version__
from openhood.base.errors import RepoNotFound
from openhood.base.names import RepoId, RepoType
from openhood.cli.doctor import check_sandbox
from openhood.cli.main import app
from openhood.domain.access import SYSTEM, Need
from openhood.domain.accounts import sign_in
from openhood.domain.repos import lookup
from openhood.engines.tables.jail import landlock_version
from openhood.testing.databases import migrated_sqlite
from openhood.testing.hub import HubUnderTest


class Terminal:
    """Runs commands on one data directory, nobody sitting there."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def run(self, *arguments: str, stdin: str | None = None, **env: str) -> Result:
        environment = {"OPENHOOD_DATA": str(self.data), "OPENHOOD_CONFIG": "", **env}
        return CliRunner().invoke(app, list(arguments), input=stdin, env=environment)

    def done(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that must succeed; returns what it printed."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def read(self, *arguments: str) -> Any:
        """Run a command that must succeed with ``--json``; returns the document."""
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command that must be refused; returns the sentence."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        return result.stderr


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "data")


@pytest.fixture
def hub(terminal: Terminal) -> Terminal:
    """A hub with a user, an organization and a repository."""
    terminal.data.mkdir(mode=0o700)
    (terminal.data / "openhood.db").write_bytes(migrated_sqlite())
    terminal.done("user", "add", "alice", "--password-stdin", "--email", "a@b.c", stdin="correct horse\n")
    terminal.done("org", "add", "acme", "--fullname", "Acme", "--default-visibility", "private")
    terminal.done("repo", "create", "acme/m")
    return terminal


def opened(terminal: Terminal) -> HubUnderTest:
    """The same hub as its clients see it; its directory must not be removed by it."""
    return HubUnderTest(
        database_url=f"sqlite:///{terminal.data}/openhood.db",
        objects_url=(terminal.data / "objects").as_uri(),
    )


# --- users ----------------------------------------------------------------------------------


def test_a_user_is_added_before_the_first_start(terminal: Terminal) -> None:
    said = terminal.done(
        "user",
        "add",
        "alice",
        "--fullname",
        "Alice A.",
        "--admin",
        "--password-stdin",
        stdin="correct horse\n",
    )
    assert said == "User alice was created.\n"
    (alice,) = terminal.read("user", "list")
    assert (alice["name"], alice["fullname"], alice["admin"], alice["disabled"]) == (
        "alice",
        "Alice A.",
        True,
        False,
    )
    with opened(terminal) as hub:
        assert sign_in.sign_in_with_password(hub.sv, name_or_email="alice", password="correct horse")
    assert stat.S_IMODE(terminal.data.stat().st_mode) == 0o700


def test_a_password_comes_from_a_terminal_or_from_standard_input(terminal: Terminal) -> None:
    assert "--password-stdin" in terminal.refused("user", "add", "alice", stdin="correct horse\n")
    assert "contradict" in terminal.refused("user", "add", "alice", "--no-password", "--password-stdin")
    assert "at least" in terminal.refused("user", "add", "alice", "--password-stdin", stdin="short\n")
    assert terminal.run("user", "add", "alice", "--password", "correct horse").exit_code == 2


def test_a_user_without_a_password_acts_through_tokens(terminal: Terminal) -> None:
    terminal.done("user", "add", "__robot__", "--no-password")
    secret = terminal.done("token", "create", "__robot__", "--name", "ci", "--role", "write").strip()
    assert secret.startswith("hf_")
    with opened(terminal) as hub:
        assert hub.client(secret).get("/api/whoami-v2").json()["name"] == "__robot__"


def test_users_are_shown_and_changed(hub: Terminal) -> None:
    hub.done("org", "set-member", "acme", "alice", "write")
    shown = hub.read("user", "show", "alice")
    assert (shown["email"], shown["organizations"], shown["tokens"]) == ("a@b.c", {"acme": "write"}, 0)
    assert "acme (write)" in hub.done("user", "show", "alice")
    assert hub.done("user", "admin", "alice") == "alice is now an administrator.\n"
    assert hub.done("user", "disable", "alice") == "alice is locked out.\n"
    assert [each["disabled"] for each in hub.read("user", "list")] == [True]
    hub.done("user", "enable", "alice")
    hub.done("user", "admin", "alice", "--revoke")
    hub.done("user", "password", "alice", "--password-stdin", stdin="battery staple\n")
    with opened(hub) as running:
        assert sign_in.sign_in_with_password(running.sv, name_or_email="alice", password="battery staple")
    hub.done("user", "password", "alice", "--remove")
    assert hub.read("user", "list", "--search", "none") == []
    assert hub.done("user", "list", "--search", "none") == "There are no users.\n"


def test_deleting_asks_first(hub: Terminal) -> None:
    assert "--yes" in hub.refused("user", "delete", "alice")
    hub.done("user", "delete", "alice", "--yes")
    assert hub.read("user", "list")[0]["disabled"] is True


def test_unknown_and_taken_names(hub: Terminal) -> None:
    assert "no user called 'bob'" in hub.refused("user", "show", "bob")
    assert "taken" in hub.refused("user", "add", "ACME", "--no-password")
    assert "Invalid namespace" in hub.refused("user", "add", "a b", "--no-password")


# --- organizations --------------------------------------------------------------------------


def test_members_come_change_and_go(hub: Terminal) -> None:
    assert [each["default_visibility"] for each in hub.read("org", "list")] == ["private"]
    assert hub.read("org", "members", "acme") == []
    hub.done("org", "set-member", "acme", "alice", "admin")
    hub.done("org", "set-member", "acme", "alice", "contributor")
    assert [(each["name"], each["role"]) for each in hub.read("org", "members", "acme")] == [
        ("alice", "contributor")
    ]
    assert "Unknown role 'boss'" in hub.refused("org", "set-member", "acme", "alice", "boss")
    assert hub.done("org", "remove-member", "acme", "alice") == "alice is no longer a member of acme.\n"
    assert "not a member" in hub.refused("org", "remove-member", "acme", "alice")
    assert "no organization" in hub.refused("org", "members", "alice")
    assert "--default-visibility" in hub.refused("org", "add", "x1", "--default-visibility", "secret")


# --- tokens ---------------------------------------------------------------------------------


def test_tokens_are_made_listed_and_revoked(hub: Terminal) -> None:
    made = hub.read("token", "create", "alice", "--name", "ci", "--role", "read", "--expires", "90d")
    assert made["token"].startswith("hf_")
    (listed,) = hub.read("token", "list", "alice")
    assert (listed["name"], listed["role"], listed["id"]) == ("ci", "read", made["id"])
    assert made["token"] not in json.dumps(listed)
    with opened(hub) as running:
        assert running.client(made["token"]).get("/api/whoami-v2").status_code == 200
        hub.done("token", "revoke", made["id"])  # beside a running hub
        assert running.client(made["token"]).get("/api/whoami-v2").status_code == 401
    assert "no such token" in hub.refused("token", "revoke", made["id"])


def test_a_tokens_value_comes_from_standard_input(hub: Terminal) -> None:
    hub.done(
        "token", "create", "alice", "--name", "ci", "--role", "write", "--value-stdin", stdin="hf_chosen\n"
    )
    with opened(hub) as running:
        assert running.client("hf_chosen").get("/api/whoami-v2").status_code == 200
    refused = hub.refused(
        "token", "create", "alice", "--name", "x", "--role", "write", "--value-stdin", stdin="bad\n"
    )
    assert "A token's value must be" in refused


def test_a_fine_grained_tokens_scopes_come_from_a_file(hub: Terminal, tmp_path: Path) -> None:
    scopes = tmp_path / "scopes.json"
    scopes.write_text(json.dumps({"global": ["discussion.write"]}))
    hub.done("token", "create", "alice", "--name", "f", "--role", "fineGrained", "--scopes", str(scopes))
    for text, words in (
        ("[]", "JSON object"),
        ("{", "Cannot read"),
        ('{"global": ["x"]}', "Unknown permission"),
    ):
        scopes.write_text(text)
        refused = hub.refused(
            "token", "create", "alice", "--name", "f", "--role", "fineGrained", "--scopes", str(scopes)
        )
        assert words in refused


def test_expiry_is_a_date_or_days(hub: Terminal) -> None:
    made = hub.read("token", "create", "alice", "--name", "a", "--role", "read", "--expires", "2040-12-31")
    assert made["expires"] == "2040-12-31T00:00:00.000Z"
    assert "2030-12-31" in hub.refused(
        "token", "create", "alice", "--name", "b", "--role", "read", "--expires", "soon"
    )
    assert "role" in hub.refused("token", "create", "alice", "--name", "b", "--role", "boss")


# --- repositories ---------------------------------------------------------------------------


def test_repositories_are_made_listed_and_shown(hub: Terminal) -> None:
    hub.done("repo", "create", "alice/d", "--type", "dataset", "--visibility", "private")
    assert "needs an 'sdk'" in hub.refused("repo", "create", "alice/s", "--type", "space")
    hub.done("repo", "create", "alice/s", "--type", "spaces", "--sdk", "static")
    listed = [(each["type"], each["id"], each["visibility"]) for each in hub.read("repo", "list")]
    assert listed == [
        ("model", "acme/m", "private"),
        ("dataset", "alice/d", "private"),
        ("space", "alice/s", "public"),
    ]
    assert [each["id"] for each in hub.read("repo", "list", "--owner", "alice", "--type", "dataset")] == [
        "alice/d"
    ]
    assert hub.read("repo", "list", "--search", "zzz") == []
    shown = hub.read("repo", "show", "acme/m")
    assert (shown["id"], shown["files"], len(shown["commit"])) == ("acme/m", 1, 40)
    assert "Unknown repository type" in hub.refused("repo", "show", "acme/m", "--type", "kernel")
    assert "not found" in hub.refused("repo", "show", "acme/none")


def test_repositories_are_changed_moved_and_deleted(hub: Terminal) -> None:
    assert hub.done("repo", "visibility", "acme/m", "public") == "The model acme/m is public, not gated.\n"
    assert hub.read("repo", "gate", "acme/m", "manual")["gated"] == "manual"
    assert hub.read("repo", "gate", "acme/m", "off")["gated"] is False
    assert "auto, manual or off" in hub.refused("repo", "gate", "acme/m", "shut")
    assert hub.read("repo", "disable", "acme/m")["disabled"] is True
    assert hub.read("repo", "enable", "acme/m")["disabled"] is False
    hub.done("repo", "move", "acme/m", "alice/n")
    assert "is now alice/n" in hub.refused("repo", "show", "acme/m")
    assert "--yes" in hub.refused("repo", "delete", "alice/n")
    hub.done("repo", "delete", "alice/n", "--yes")
    assert hub.read("repo", "list") == []


def test_aliases_are_set_and_removed(hub: Terminal) -> None:
    hub.done("repo", "alias", "gpt2", "acme/m")
    assert hub.read("repo", "aliases") == [{"type": "model", "name": "gpt2", "target": "acme/m"}]
    assert "Give the id" in hub.refused("repo", "alias", "gpt2")
    hub.done("repo", "alias", "gpt2", "--delete")
    assert "no alias 'gpt2'" in hub.refused("repo", "alias", "gpt2", "--delete")
    assert hub.done("repo", "aliases") == "There are no aliases.\n"


def test_changes_reach_a_running_hub_at_once(hub: Terminal) -> None:
    with opened(hub) as running:
        assert running.client().get("/api/models/acme/m").status_code == 401
        hub.done("repo", "visibility", "acme/m", "public")
        assert running.client().get("/api/models/acme/m").status_code == 200
        hub.done("repo", "delete", "acme/m", "--yes")
        assert running.client().get("/api/models/acme/m").status_code == 401
        with running.sv.db.read() as tx, pytest.raises(RepoNotFound):
            lookup.find(tx, SYSTEM, RepoType.MODEL, RepoId("acme", "m"), need=Need.INFO)


# --- provision ------------------------------------------------------------------------------


def test_provisioning_before_the_first_start(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("users: [{name: alice, tokens: [{name: t, role: read}]}]\norganizations: [{name: acme}]")
    said = terminal.done("provision", str(file), "--dry-run")
    assert "Would be: 3 created." in said
    assert not terminal.data.exists()
    said = terminal.done("provision", str(file))
    assert "+ created   user alice" in said
    assert "its value, shown only this once: hf_" in said
    assert "Done: 3 created." in said
    assert "Nothing to change: the hub is as the file says." in terminal.done("provision", str(file))
    document = terminal.read("provision", str(file))
    assert document["error"] is None
    assert {each["outcome"] for each in document["items"]} == {"unchanged"}


def test_a_refusal_says_where_and_what_was_done(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "hub.yaml"
    file.write_text("users: [{name: alice}, {name: bob, password: x}]")
    result = terminal.run("provision", str(file))
    assert result.exit_code == 2
    assert "+ created   user alice" in result.stdout
    assert "users[1]: The password must have" in result.stderr
    result = terminal.run("provision", str(file), "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"].startswith("users[1]: ")
    file.write_text("users: [{nam: alice}]")
    assert "users[0].name: this key is missing" in terminal.refused("provision", str(file))


# --- settings, checks, database ---------------------------------------------------------------


def test_settings_are_shown_with_their_origin(terminal: Terminal) -> None:
    env = {"OPENHOOD_DATABASE_URL": "postgresql://hub:hunter2@db/x", "OPENHOOD_SECRET_KEY": "hunter2hunter2"}
    result = terminal.run("config", "show", "--json", **env)
    document = json.loads(result.stdout)
    assert document["database_url"] == {
        "value": "postgresql://hub:********@db/x",
        "origin": "environment OPENHOOD_DATABASE_URL",
        "variable": "OPENHOOD_DATABASE_URL",
    }
    assert document["port"]["origin"] == "default"
    for output in (result.stdout, terminal.run("config", "show", **env).stdout):
        assert "hunter2" not in output
    refused = terminal.run("config", "show", OPENHOOD_PRT="1")
    assert refused.exit_code == 2
    assert "Unknown setting OPENHOOD_PRT" in refused.stderr


def test_client_variables_can_be_evaluated(terminal: Terminal) -> None:
    said = terminal.done("env", "--url", "https://hub.example")
    assert "export HF_ENDPOINT=https://hub.example  # " in said
    assert terminal.read("env")["HF_ENDPOINT"] == "http://localhost:7860"


def test_doctor_finds_a_sound_installation(hub: Terminal) -> None:
    result = hub.run("doctor", "--json", OPENHOOD_PORT="0")
    document = json.loads(result.stdout)
    assert document["ok"], result.output
    assert result.exit_code == 0
    names = [each["name"] for each in document["checks"]]
    assert names[:5] == ["Python", "git", "git-lfs", "viewer's sandbox", "data directory"]
    assert {"secret key", "database", "object store", "port", "localhost", "clock"} <= set(names)
    assert "The hub can run." in hub.run("doctor", OPENHOOD_PORT="0").stdout


def test_doctor_makes_nothing(terminal: Terminal) -> None:
    assert terminal.run("doctor", OPENHOOD_PORT="0").exit_code == 0
    assert not terminal.data.exists()


def _status(terminal: Terminal, name: str, **env: str) -> str:
    document = json.loads(terminal.run("doctor", "--json", **{"OPENHOOD_PORT": "0", **env}).stdout)
    (found,) = (each for each in document["checks"] if each["name"] == name)
    assert found["status"] == "ok" or found["remedy"]
    return str(found["status"])


def test_doctor_names_what_is_wrong(hub: Terminal, tmp_path: Path) -> None:
    assert _status(hub, "database", OPENHOOD_DATABASE_URL="postgresql://x@127.0.0.1:1/x") == "fail"
    assert _status(hub, "secret key", OPENHOOD_DATABASE_URL="postgresql://x@127.0.0.1:1/x") == "fail"
    assert _status(hub, "object store", OPENHOOD_OBJECTS_URL="file:///proc/none") == "fail"
    assert _status(hub, "object store", OPENHOOD_OBJECTS_URL="gopher://x") == "fail"
    assert _status(hub, "git", PATH=str(tmp_path)) == "fail"
    assert _status(hub, "secret key", OPENHOOD_SECRET_KEY="short") == "warn"
    (hub.data / "secret_key").chmod(0o644)
    assert _status(hub, "secret key") == "warn"


def test_doctor_warns_of_a_kernel_without_a_sandbox() -> None:
    old, new = check_sandbox(0), check_sandbox(4)
    assert (old.status, new.status) == ("warn", "ok")
    assert "Linux 5.13" in old.remedy
    assert check_sandbox(landlock_version()).status == ("ok" if landlock_version() else "warn")


def test_doctor_sees_a_port_that_is_taken(hub: Terminal) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        result = hub.run("doctor", "--json", OPENHOOD_PORT=str(other.getsockname()[1]))
    assert result.exit_code == 1
    failed = [each["name"] for each in json.loads(result.stdout)["checks"] if each["status"] == "fail"]
    assert failed == ["port"]


def test_fsck_says_whether_all_is_well(hub: Terminal) -> None:
    assert hub.done("fsck", "--deep") == "Everything is in order.\n"
    assert hub.read("fsck", "acme/m") == {"ok": True, "findings": [], "swept": []}
    assert "no model acme/none" in hub.refused("fsck", "acme/none")
    assert "--sweep" in hub.refused("fsck", "acme/m", "--sweep")
    for pack in (hub.data / "objects").rglob("*.pack"):
        pack.unlink()
    result = hub.run("fsck", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["ok"], document["findings"][0]["level"]) == (False, "error")
    assert "1 errors." in hub.run("fsck").stdout


def test_fsck_sweeps_leftovers(hub: Terminal) -> None:
    import os

    left = hub.data / "objects" / "git" / "7" / f"{'a' * 40}.pack"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left over")
    os.utime(left, (1, 1))
    assert "no row names these 9 bytes" in hub.done("fsck")
    assert left.exists()
    assert hub.done("fsck", "--sweep") == "Removed 1 leftovers.\nEverything is in order.\n"
    assert not left.exists()


def test_storage_is_reported_and_given_back(hub: Terminal) -> None:
    assert [each["id"] for each in hub.read("storage", "report")["repositories"]] == ["acme/m"]
    assert hub.read("storage", "report", "acme/m", "--files")["contents"] == []
    assert "It has no large files." in hub.done("storage", "report", "acme/m", "--files")
    nothing = {"count": 0, "bytes": 0}
    assert hub.read("gc")["done"] == {"forgotten": nothing, "condemned": nothing, "deleted": nothing}
    assert "leave --dry-run and --all out" in hub.refused("gc", "--purge-now", "--dry-run")
    assert "--yes" in hub.refused("gc", "--purge-now")


def test_the_database_is_upgraded_and_checked(terminal: Terminal) -> None:
    first = terminal.read("db", "upgrade")
    assert (first["before"], first["changed"]) == (None, True)
    assert terminal.done("db", "upgrade") == f"Already at {first['revision']}.\n"
    assert terminal.read("db", "current") == {"revision": first["revision"], "newest": first["revision"]}
    assert terminal.read("db", "check")["differences"] == []
    import sqlite3

    with sqlite3.connect(terminal.data / "openhood.db") as raw:
        raw.execute("DROP TABLE jobs")
    result = terminal.run("db", "check", "--json")
    assert result.exit_code == 1
    assert any("jobs" in each for each in json.loads(result.stdout)["differences"])
    with sqlite3.connect(terminal.data / "openhood.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "at revision 9999" in terminal.refused("db", "upgrade")
    assert "at revision 9999" in terminal.refused("user", "list")


@pytest.mark.parametrize(
    "command",
    [
        ("user", "list"),
        ("org", "members", "acme"),
        ("token", "list", "alice"),
        ("repo", "list"),
        ("fsck",),
        ("gc", "--dry-run"),
        ("gc", "--purge-now", "--yes"),
        ("storage", "report"),
        ("db", "current"),
    ],
)
def test_a_wrong_directory_is_not_made_a_hub(terminal: Terminal, command: tuple[str, ...]) -> None:
    assert "There is no hub in" in terminal.refused(*command)
    assert not terminal.data.exists()


def test_the_version_is_shown(terminal: Terminal) -> None:
    assert terminal.done("--version") == f"openhood {__version__}\n"


# --- other names, lost telephones, reports ------------------------------------------------------


def test_accounts_are_renamed_and_organizations_deleted(hub: Terminal) -> None:
    assert hub.done("org", "rename", "acme", "acme-labs") == "acme is now called acme-labs.\n"
    assert hub.done("user", "rename", "alice", "alicia") == "alice is now called alicia.\n"
    assert "taken" in hub.refused("user", "rename", "alicia", "acme")
    assert hub.done("user", "reset-2fa", "alicia") == "The second factor of alicia was off already.\n"
    secret = hub.done("token", "create", "alicia", "--name", "ci", "--role", "write").strip()
    hub.done("org", "set-member", "acme-labs", "alicia", "read")
    with opened(hub) as running:
        moved = running.client(secret).get("/api/models/acme/m")
        assert (moved.status_code, moved.headers["Location"]) == (307, "/api/models/acme-labs/m")
    assert "owns 1 repository" in hub.refused("org", "delete", "acme-labs", "--yes")
    hub.done("org", "delete", "acme-labs", "--yes", "--with-repos")
    assert "no organization" in hub.refused("org", "delete", "acme-labs", "--yes")


def test_reports_are_read_and_acted_on(hub: Terminal) -> None:
    hub.done("repo", "visibility", "acme/m", "public")
    secret = hub.done("token", "create", "alice", "--name", "ci", "--role", "write").strip()
    with opened(hub) as running:
        alice = running.client(secret)
        made = alice.post("/api/reports", json={"reason": "spam", "repo": "acme/m", "text": "Ads"}).json()
    (shown,) = hub.read("report", "list")
    assert (shown["id"], shown["about"]["repo"]["name"], shown["reporter"]) == (made["id"], "acme/m", "alice")
    assert "repo acme/m" in hub.done("report", "list")
    assert "must be one of" in hub.refused("report", "act", made["id"], "burn")
    assert hub.done("report", "act", made["id"], "hide_repo") == "The report was acted.\n"
    assert hub.done("report", "list") == "There are no reports that are open.\n"
    with opened(hub) as running:
        assert running.client().get("/api/models/acme/m").status_code == 401
    assert hub.done("repo", "show-again", "acme/m") == "The model acme/m is public again.\n"
    assert hub.done("repo", "hide", "acme/m") == "The model acme/m is out of sight.\n"
