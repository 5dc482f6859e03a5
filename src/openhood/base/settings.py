"""The settings: validated once at start, frozen, and handed on in parts.

The only reader of the environment and of the TOML file. Order of strength: defaults < TOML file
< ``OPENHOOD_*`` variables < command-line flags. Every leaf knows where its value came from.
"""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from openhood.base.errors import HubError

MB = 1_000_000
GB = 1_000_000_000


class SettingsError(HubError):
    """A setting is unknown or has an impossible value."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Part):
    """Upper bounds on what one request may bring."""

    regular_file_bytes: int = Field(10 * MB, ge=1, description="Largest file outside LFS, in bytes.")
    lfs_file_bytes: int = Field(500 * GB, ge=1, description="Largest LFS file, in bytes.")
    lfs_part_bytes: int = Field(
        64 * 1024 * 1024, ge=5 * 1024 * 1024, description="Size of the parts of a multipart upload, in bytes."
    )
    lfs_multipart_from_bytes: int = Field(
        5 * GB, ge=0, description="Files of at least this size are uploaded in parts, if the client can."
    )
    commit_body_bytes: int = Field(512 * MB, ge=1, description="Largest body of one API commit, in bytes.")
    commit_operations: int = Field(25_000, ge=1, description="Most operations in one API commit.")
    json_body_bytes: int = Field(
        16 * MB, ge=1, description="Largest JSON body of any other request, in bytes."
    )
    push_bytes: int = Field(5 * GB, ge=1, description="Largest pack of one git push, in bytes.")
    namespace_storage_bytes: int = Field(
        0, ge=0, description="Storage each user or organization may use, in bytes; 0 means no limit."
    )


class RateLimits(_Part):
    """Requests allowed per window to one caller; 0 switches a bucket off."""

    window_s: int = Field(300, ge=1, description="Length of the fixed window, in seconds.")
    api: int = Field(0, ge=0, description="API calls per window of a signed-in caller.")
    resolvers: int = Field(0, ge=0, description="File downloads per window of a signed-in caller.")
    pages: int = Field(0, ge=0, description="Page views per window of a signed-in caller.")
    anonymous_share: float = Field(
        0.5, gt=0, le=1, description="Share of each limit that an anonymous address gets."
    )


class GitLimits(_Part):
    """Bounds on the git programs this process starts."""

    processes: int = Field(4, ge=1, description="git programs running at once.")
    timeout_s: float = Field(600, gt=0, description="Longest run of one git program, in seconds.")
    fold_packs_at: int = Field(50, ge=2, description="Fold a repository's packs when it has this many.")
    retired_pack_grace_s: float = Field(
        6 * 3600, ge=0, description="How long a folded pack stays for slow readers, in seconds."
    )


class Xet(_Part):
    """Chunk-level storage and transfer."""

    dedup: Literal["visible", "hub", "off"] = Field(
        "visible",
        description="What an uploader may learn is here already: 'visible' chunks of public repositories and of "
        "the own namespace, all of the 'hub', or nothing ('off').",
    )
    convert: bool = Field(
        True,
        description="Turn files that came by LFS into chunks in the background, so that they are shared too.",
    )
    whole_copy_grace_s: float = Field(
        86400.0,
        ge=0,
        description="How long the whole copy of a file stays after it was turned into chunks, in seconds.",
    )
    direct_uploads: bool = Field(
        False, description="Let clients send chunks to the object store itself, where it has signed URLs."
    )
    token_lifetime_s: int = Field(
        3600, ge=60, le=86400, description="How long a client may transfer with one token, in seconds."
    )
    lease_s: float = Field(
        23 * 86400.0,
        ge=0,
        description="How long chunks stay that no file needs, in seconds: clients remember theirs for 21 days and "
        "fail without them.",
    )
    condemned_grace_s: float = Field(
        3 * 86400.0,
        ge=0,
        description="How long chunks stay after they were condemned, in seconds: answers that name them are used "
        "for up to 2 days.",
    )
    verify_every_s: float = Field(
        30 * 86400.0,
        ge=0,
        description="How often every stored chunk is read and verified, in seconds; 0: never.",
    )
    decoded_cache_bytes: int = Field(
        10 * GB,
        ge=0,
        description="Disk for joined copies of files that are read often by plain HTTP, in bytes.",
    )


class Log(_Part):
    """How the hub writes its log."""

    format: Literal["auto", "text", "json"] = Field(
        "auto", description="'auto' writes text to a terminal and JSON elsewhere."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line written."
    )


class Settings(_Part):
    """All settings of one hub process."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7860, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data_dir: Path = Field(
        Path("openhood-data"), description="Directory for everything the hub keeps locally."
    )
    public_url: str | None = Field(
        None, description="Address under which clients reach the hub; taken from each request when unset."
    )
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the database; unset: SQLite in the data directory."
    )
    objects_url: SecretStr | None = Field(
        None,
        description="Where bytes are kept: file:///dir or s3://bucket/prefix?endpoint=…; unset: the data directory.",
    )
    secret_key: SecretStr | None = Field(
        None, description="Signs short-lived URLs; unset: generated into the data directory at first start."
    )
    sign_up: Literal["open", "invitation", "closed"] = Field(
        "invitation", description="Who may create an account without an administrator."
    )
    default_visibility: Literal["public", "private"] = Field(
        "public", description="Visibility of a repository whose creator does not say."
    )
    redirect_downloads: bool = Field(
        True, description="Send large downloads to a signed URL of the object store where it has one."
    )
    workers: int = Field(2, ge=0, description="Threads that run background jobs in this process; 0: none.")
    threads: int = Field(40, ge=2, description="Worker threads for requests.")
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Comma-separated addresses whose X-Forwarded-* headers are believed; * for all.",
    )
    cors_origins: str = Field(
        "",
        description="Comma-separated origins whose pages may use a visitor's session; others may read public data.",
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token needed to read /metrics; unset: only loopback addresses may."
    )
    limits: Limits = Limits()
    rate: RateLimits = RateLimits()
    git: GitLimits = GitLimits()
    xet: Xet = Xet()
    log: Log = Log()

    @field_validator("public_url")
    @classmethod
    def _no_trailing_slash(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @property
    def effective_database_url(self) -> str:
        """The database's URL, the embedded default included."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.absolute()}/openhood.db"

    @property
    def effective_objects_url(self) -> str:
        """The object store's URL, the embedded default included."""
        if self.objects_url is not None:
            return self.objects_url.get_secret_value()
        return (self.data_dir.absolute() / "objects").as_uri()

    @property
    def cache_dir(self) -> Path:
        """Directory for what can be rebuilt: safe to delete while the hub is stopped."""
        return self.data_dir.absolute() / "cache"


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf of the settings, for people: dotted name, shown value (secrets masked), origin."""

    name: str
    value: object
    origin: str
    description: str
    variable: str


def load_settings(
    *, environ: Mapping[str, str], file: Path | None = None, flags: Mapping[str, object] | None = None
) -> tuple[Settings, list[Setting]]:
    """Read, merge and validate the settings.

    Args: ``flags`` maps dotted names (``limits.push_bytes``) to values; None values are ignored.
    ``file`` defaults to ``OPENHOOD_CONFIG``, then ``openhood.toml`` in the data directory.
    Raises: SettingsError naming the setting, its origin and what is allowed.
    """
    names = dict(_leaves(Settings))
    given: dict[str, tuple[object, str]] = {}
    from_environ = _from_environ(environ, set(names))
    flags = {name: value for name, value in (flags or {}).items() if value is not None}
    path = file or _config_path(environ, from_environ, flags)
    if path is not None:
        given |= {name: (value, f"file {path}") for name, value in _from_file(path, set(names)).items()}
    given |= {
        name: (value, f"environment {_variable_used(name, environ)}") for name, value in from_environ.items()
    }
    given |= {name: (value, "command line") for name, value in flags.items()}
    tree: dict[str, Any] = {}
    for name, (value, _origin) in given.items():
        part, _, leaf = name.rpartition(".")
        (tree.setdefault(part, {}) if part else tree)[leaf] = value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(_explain(error, given)) from None
    origins = {name: origin for name, (_value, origin) in given.items()}
    return settings, [
        Setting(name, _shown(settings, name), origins.get(name, "default"), field, variable_name(name))
        for name, field in names.items()
    ]


def variable_name(name: str) -> str:
    """Return the environment variable of a dotted setting name."""
    return "OPENHOOD_" + name.replace(".", "_").upper()


def ensure_secret_key(settings: Settings) -> Settings:
    """Return ``settings`` with a secret key, generated into the data directory at first start.

    Raises: SettingsError where several replicas would each invent their own.
    """
    if settings.secret_key is not None:
        return settings
    if settings.database_url is not None and not settings.effective_database_url.startswith("sqlite"):
        raise SettingsError(
            "OPENHOOD_SECRET_KEY must be set when the database is shared: every replica must sign with the same "
            "key. Generate one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    path = settings.data_dir / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        scratch = path.with_name(f".secret_key.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(32))
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(scratch, path)  # atomic, and the first of two starting processes wins
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return settings.model_copy(update={"secret_key": SecretStr(path.read_text().strip())})


def _leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field.description or ""


def _variable_used(name: str, environ: Mapping[str, str]) -> str:
    variable = variable_name(name)
    return variable if variable in environ else "OPENHOOD_DATA"


def _from_environ(environ: Mapping[str, str], names: set[str]) -> dict[str, object]:
    by_variable = {variable_name(name): name for name in names}
    found: dict[str, object] = {}
    for variable, value in environ.items():
        if not variable.startswith("OPENHOOD_") or variable in ("OPENHOOD_CONFIG", "OPENHOOD_DATA"):
            continue
        if variable not in by_variable:
            raise SettingsError(f"Unknown setting {variable}. 'openhood config show' lists all of them.")
        found[by_variable[variable]] = value
    if "OPENHOOD_DATA" in environ and "data_dir" not in found:
        found["data_dir"] = environ["OPENHOOD_DATA"]
    return found


def _config_path(
    environ: Mapping[str, str], from_environ: Mapping[str, object], flags: Mapping[str, object]
) -> Path | None:
    if environ.get("OPENHOOD_CONFIG"):
        return Path(environ["OPENHOOD_CONFIG"])
    data_dir = (
        flags.get("data_dir") or from_environ.get("data_dir") or Settings.model_fields["data_dir"].default
    )
    path = Path(str(data_dir)) / "openhood.toml"
    return path if path.is_file() else None


def _from_file(path: Path, names: set[str]) -> dict[str, object]:
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"Cannot read the settings file {path}: {error}") from error
    found: dict[str, object] = {}
    for key, value in document.items():
        leaves = (
            {f"{key}.{leaf}": item for leaf, item in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
        for name, item in leaves.items():
            if name not in names:
                raise SettingsError(
                    f"Unknown setting '{name}' in {path}. 'openhood config show' lists all of them."
                )
            found[name] = item
    return found


def _explain(error: ValidationError, given: Mapping[str, tuple[object, str]]) -> str:
    lines = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        origin = given[name][1] if name in given else "default"
        lines.append(f"Setting '{name}' ({origin}): {problem['msg']}.")
    return " ".join(lines)


def _shown(settings: Settings, name: str) -> object:
    value: Any = settings
    for part in name.split("."):
        value = getattr(value, part)
    if isinstance(value, SecretStr):
        return mask_url(value.get_secret_value()) if name.endswith("_url") else _MASK
    return str(value) if isinstance(value, Path) else value


_MASK = "********"
_SECRET_OPTION = re.compile(r"secret|passw|token|key|credential", re.IGNORECASE)


def mask_url(url: str) -> str:
    """Return ``url`` without what is secret in it: its password, and options that sound like one."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc
        if parts.password is not None:
            netloc = f"{netloc.partition(':')[0]}:{_MASK}@{netloc.rpartition('@')[2]}"
        pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
        query = "&".join(
            f"{name}{equals}{_MASK if _SECRET_OPTION.search(name) else value}"
            for name, equals, value in pairs
        )
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return f"{parts.scheme}://{netloc}{parts.path}{'?' if query else ''}{query}{fragment}"
    except ValueError:  # no URL at all: then nobody knows which part of it is secret
        return _MASK
