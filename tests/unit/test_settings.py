"""Settings: which source wins, what is refused and with which words, and that secrets are never shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from openhood.base.settings import (
    Setting,
    Settings,
    SettingsError,
    ensure_secret_key,
    load_settings,
    mask_url,
)


def leaf(leaves: list[Setting], name: str) -> Setting:
    return next(each for each in leaves if each.name == name)


def test_defaults_need_nothing() -> None:
    settings, leaves = load_settings(environ={})
    assert settings.port == 7860
    assert settings.host == "127.0.0.1"
    assert leaf(leaves, "port") == Setting(
        "port", 7860, "default", "Port to listen on; 0 takes a free one.", "OPENHOOD_PORT"
    )


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('port = 1001\nhost = "10.0.0.1"\nthreads = 5\n[limits]\npush_bytes = 7\n')
    settings, leaves = load_settings(
        environ={"OPENHOOD_PORT": "1002", "OPENHOOD_HOST": "10.0.0.2", "PATH": "/bin"},
        file=file,
        flags={"port": 1003, "data_dir": None},
    )
    assert (settings.port, settings.host, settings.threads, settings.limits.push_bytes) == (
        1003,
        "10.0.0.2",
        5,
        7,
    )
    assert leaf(leaves, "port").origin == "command line"
    assert leaf(leaves, "host").origin == "environment OPENHOOD_HOST"
    assert leaf(leaves, "limits.push_bytes").origin == f"file {file}"
    assert leaf(leaves, "data_dir").origin == "default"


def test_the_file_is_found_by_variable_and_in_the_data_directory(tmp_path: Path) -> None:
    named, beside = tmp_path / "named.toml", tmp_path / "data" / "openhood.toml"
    named.write_text("port = 1\n")
    beside.parent.mkdir()
    beside.write_text("port = 2\n")
    assert load_settings(environ={"OPENHOOD_CONFIG": str(named)})[0].port == 1
    settings, leaves = load_settings(environ={"OPENHOOD_DATA": str(beside.parent)})
    assert settings.port == 2
    assert leaf(leaves, "data_dir").origin == "environment OPENHOOD_DATA"
    assert load_settings(environ={}, flags={"data_dir": beside.parent})[0].port == 2


def test_data_dir_wins_over_its_short_name() -> None:
    settings, leaves = load_settings(environ={"OPENHOOD_DATA": "/a", "OPENHOOD_DATA_DIR": "/b"})
    assert settings.data_dir == Path("/b")
    assert leaf(leaves, "data_dir").origin == "environment OPENHOOD_DATA_DIR"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OPENHOOD_PROT": "1"}, ["OPENHOOD_PROT", "config show"]),
        ({"OPENHOOD_PORT": "many"}, ["'port'", "OPENHOOD_PORT"]),
        ({"OPENHOOD_PORT": "70000"}, ["'port'", "65535"]),
        ({"OPENHOOD_PUBLIC_URL": "hub.example"}, ["'public_url'", "https://"]),
        ({"OPENHOOD_SIGN_UP": "maybe"}, ["'sign_up'", "'invitation'"]),
        ({"OPENHOOD_LIMITS_PUSH_BYTES": "0"}, ["'limits.push_bytes'", "greater than"]),
    ],
)
def test_mistakes_are_named_with_their_place(environ: dict[str, str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ=environ)
    for word in words:
        assert word in refused.value.message


@pytest.mark.parametrize("text", ["port = \n", "prot = 1\n", "[limits]\nx = 1\n", "[limits.deep]\nx = 1\n"])
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"hub\.toml"):
        load_settings(environ={}, file=file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Cannot read"):
        load_settings(environ={}, file=tmp_path / "none.toml")


def test_secrets_are_masked() -> None:
    _, leaves = load_settings(
        environ={
            "OPENHOOD_SECRET_KEY": "s3cr3t",
            "OPENHOOD_DATABASE_URL": "postgresql://hub:s3cr3t@db.example/openhood",
            "OPENHOOD_OBJECTS_URL": "s3://bucket/hub?endpoint=http://minio:9000&access_key=s3cr3t&secret_key=s3cr3t",
            "OPENHOOD_METRICS_TOKEN": "s3cr3t",
        }
    )
    assert "s3cr3t" not in str(leaves)
    assert leaf(leaves, "database_url").value == "postgresql://hub:********@db.example/openhood"
    assert "endpoint=http://minio:9000" in str(leaf(leaves, "objects_url").value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/hub/openhood.db", "sqlite:////var/lib/hub/openhood.db"),
        ("file:///var/lib/hub", "file:///var/lib/hub"),
        ("postgresql+psycopg://postgres@127.0.0.1:5432/x", "postgresql+psycopg://postgres@127.0.0.1:5432/x"),
        ("postgresql://u:p:q@r@h/x?sslpassword=p", "postgresql://u:********@h/x?sslpassword=********"),
        ("http://[bad", "********"),
    ],
)
def test_only_the_secret_part_of_a_url_is_hidden(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first, second = ensure_secret_key(settings).secret_key, ensure_secret_key(settings).secret_key
    assert first is not None
    assert second is not None
    assert first.get_secret_value() == second.get_secret_value()
    assert len(first.get_secret_value()) >= 32
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_replicas_must_be_given_their_key() -> None:
    with pytest.raises(SettingsError, match="OPENHOOD_SECRET_KEY must be set"):
        ensure_secret_key(Settings.model_validate({"database_url": "postgresql://h/x"}))
