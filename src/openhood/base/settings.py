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
    attachment_bytes: int = Field(
        20 * MB, ge=1, description="Largest picture, sound or film attached to a comment, in bytes."
    )
    attachments_per_user_bytes: int = Field(
        1 * GB, ge=0, description="All that one user may attach to comments, in bytes; 0 means no limit."
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


class Gates(_Part):
    """The gates of repositories."""

    country_header: str = Field(
        "",
        max_length=60,
        description="Header in which the proxy in front of the hub says from which country a request comes, as a code "
        "of two letters (such as CF-IPCountry); empty where there is none.",
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


class Oauth(_Part):
    """Signing in programs: who may register them, and which workloads are believed."""

    registration: Literal["open", "signed_in", "closed"] = Field(
        "open",
        description="Who may register a program by POST /oauth/register: anybody, people signed in, or nobody.",
    )
    registrations_per_hour: int = Field(
        20, ge=1, description="Programs that one address may register in an hour."
    )
    trusted_issuers: str = Field(
        "https://token.actions.githubusercontent.com,https://gitlab.com",
        description="Comma-separated issuers whose identity tokens trusted publishers may exchange; empty: none.",
    )
    reuse_identity_tokens: bool = Field(
        False,
        description="Let a workload exchange one identity token several times; for CI systems that make one per job.",
    )
    signing_key_days: int = Field(
        90, ge=1, description="How long identity tokens are signed with one key, in days."
    )


class Sso(_Part):
    """Signing people in through another OpenID Connect provider."""

    issuer: str = Field("", description="The provider's issuer address; empty: no single sign-on.")
    provider: str = Field(
        "sso",
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="The provider's name in this hub's addresses.",
    )
    label: str = Field(
        "single sign-on", max_length=60, description="What the button on the sign-in page says."
    )
    client_id: str = Field("", description="This hub's client id at the provider.")
    client_secret: SecretStr | None = Field(
        None, description="This hub's client secret at the provider; unset: a public client."
    )
    scopes: str = Field("openid profile email", description="Scopes asked of the provider, space-separated.")
    username_claim: str = Field(
        "preferred_username", description="The claim that a new account's name is made from."
    )
    groups_claim: str = Field("groups", description="The claim that lists a person's groups.")
    admin_groups: str = Field(
        "",
        description="Comma-separated groups whose members administrate this hub; empty: the provider does not decide.",
    )
    roles: str = Field(
        "",
        description="Comma-separated group=organization:role; members of the group get that role at each sign-in.",
    )
    allowed_domains: str = Field(
        "", description="Comma-separated domains of verified e-mail addresses that may sign in; empty: all."
    )
    create_users: bool = Field(True, description="Create an account for somebody who signs in first.")
    link_by_email: bool = Field(
        False,
        description="Let somebody unknown sign in to the account with the same e-mail address, if the provider verified it.",
    )

    @field_validator("issuer")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value

    @field_validator("roles")
    @classmethod
    def _are_roles(cls, value: str) -> str:
        for part in value.split(","):
            if part.strip() and not _GROUP_ROLE.fullmatch(part.strip()):
                raise ValueError(
                    "must be like 'group=organization:role', with the role read, contributor, write or admin"
                )
        return value


_GROUP_ROLE = re.compile(r"[^=,]{1,200}=[^:=,\s]{1,96}:(read|contributor|write|admin)")


class Webhooks(_Part):
    """Telling other servers what happened."""

    allow: str = Field(
        "",
        description="Comma-separated hosts, *.domains and networks that are not public and may be called all the same.",
    )
    timeout_s: float = Field(10.0, gt=0, le=60, description="Longest call of a receiver, in seconds.")
    attempts: int = Field(8, ge=1, le=20, description="How often a delivery is tried, over about a day.")
    threads: int = Field(
        2, ge=1, description="Deliveries at once in this process, and as many to slow receivers besides."
    )
    keep_days: int = Field(30, ge=1, description="How long deliveries stay in the log, in days.")
    daily_limit: int = Field(
        10_000, ge=1, description="Most deliveries in 24 hours, over all webhooks of one user."
    )
    per_user: int = Field(100, ge=1, description="Most webhooks of one user.")
    disable_after_days: float = Field(
        5.0, gt=0, description="Disable a webhook whose every delivery failed for so many days."
    )


class Reviews(_Part):
    """What comparing the models and data of a change may cost, for each file."""

    read_bytes: int = Field(
        4 * 1024**3,
        ge=1024**2,
        description="Bytes read of both sides together; of more, samples are compared.",
    )
    timeout_s: float = Field(300.0, gt=0, description="Seconds after which a comparison is given up.")
    memory_bytes: int = Field(
        1024**3,
        ge=256 * 1024**2,
        description="Memory of the process that compares (where the system can limit it).",
    )


class TableViewer(_Part):
    """The dataset viewer: what reading tables, pictures and sounds of datasets may cost."""

    processes: int = Field(
        8, ge=2, description="Most processes that read datasets at once, each of one repository."
    )
    memory_bytes: int = Field(
        3 * 1024**3,
        ge=512 * 1024**2,
        description="Memory of each such process (where the system can limit it).",
    )
    page_timeout_s: float = Field(30.0, gt=0, description="Longest reading of a page of rows, in seconds.")
    query_timeout_s: float = Field(
        20.0, gt=0, description="Longest filter, search or statement of the SQL console, in seconds."
    )
    job_timeout_s: float = Field(
        3600.0, gt=0, description="Longest conversion or statistics of one split, in seconds."
    )
    cache_bytes: int = Field(
        20 * GB,
        ge=100 * MB,
        description="Local disk for parts of far-away files, converted splits, search indexes and thumbnails.",
    )
    convert_bytes: int = Field(
        0, ge=0, description="Convert at most so many bytes of a split to Parquet; 0: all of it."
    )
    sql_rows: int = Field(10_000, ge=1, description="Most rows that a statement of the SQL console gives.")


class Mail(_Part):
    """Letters about what is in people's inboxes."""

    url: SecretStr | None = Field(
        None,
        description="Where letters go: smtp://user:password@host:587, smtps://… or spool:///directory; unset: no "
        "mail is sent.",
    )
    sender: str = Field(
        "Openhood <openhood@localhost>",
        description="The address that letters come from, with or without a name.",
    )
    verified_only: bool = Field(
        True,
        description="Write only to addresses that their owners confirmed; switch off where the operator sets them.",
    )
    wait_s: float = Field(
        60.0, ge=0, description="How long a letter waits for more to come that goes into it, in seconds."
    )
    daily_hour: int = Field(
        7, ge=0, le=23, description="The hour, in UTC, at which daily letters are written."
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
    reviews: Reviews = Reviews()
    viewer: TableViewer = TableViewer()
    xet: Xet = Xet()
    gates: Gates = Gates()
    oauth: Oauth = Oauth()
    sso: Sso = Sso()
    webhooks: Webhooks = Webhooks()
    mail: Mail = Mail()
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
    names = describe_all()
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


def describe_running(running: Settings, *, environ: Mapping[str, str]) -> list[Setting]:
    """Return what a process runs with, and where each value came from.

    A value that neither the environment nor the settings file has now came from the command line, or the file was
    changed since the start.
    """
    try:
        found = load_settings(environ=environ, flags={"data_dir": running.data_dir})[1]
        plain = load_settings(environ=environ)[0]
    except SettingsError:
        return [
            Setting(
                name,
                _shown(running, name),
                "unknown: the settings file cannot be read now",
                field,
                variable_name(name),
            )
            for name, field in _leaves(Settings)
        ]
    described = []
    for leaf in found:
        value = _shown(running, leaf.name)
        origin = leaf.origin if leaf.value == value else "command line, or changed since the start"
        if leaf.name == "data_dir" and plain.data_dir == running.data_dir:
            origin = "environment" if leaf.variable in environ else "default"
        if leaf.name == "secret_key" and origin != leaf.origin:
            origin = "made at the first start"
        described.append(Setting(leaf.name, value, origin, leaf.description, leaf.variable))
    return described


def describe_all() -> dict[str, str]:
    """Return what each setting is for, by its name."""
    return dict(_leaves(Settings))


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
