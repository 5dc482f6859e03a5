"""What a provision file may say: parsed and checked as a whole, before anything is changed.

Names and rules that the domain checks anyway are left to it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from openhood.base.errors import BadRequest, InvalidName
from openhood.base.names import RepoId, RepoType

MAX_BYTES = 16 * 1024 * 1024


class BadProvisionFile(BadRequest):
    """The provision file cannot be read, or says something impossible; the message names the place."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _as_repo_type(value: object) -> object:
    if isinstance(value, str):
        known = {kind.value: kind for kind in RepoType} | {kind.plural: kind for kind in RepoType}
        if value not in known:
            raise ValueError("must be model, dataset or space")
        return known[value]
    return value


def _as_repo_id(value: object) -> object:
    if isinstance(value, str):
        try:
            return RepoId.parse(value)
        except InvalidName as error:
            raise ValueError(error.message) from error
    return value


def _as_moment(value: object) -> object:
    """Take what YAML makes of ``2030-12-31`` and of ``2030-12-31T12:00:00Z``; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(
                "must be a date such as 2030-12-31 or a moment such as 2030-12-31T12:00:00Z"
            ) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return value.replace(microsecond=value.microsecond // 1000 * 1000)  # what the database keeps
    return value


def _as_path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


RepoTypeField = Annotated[RepoType, BeforeValidator(_as_repo_type)]
RepoIdField = Annotated[RepoId, BeforeValidator(_as_repo_id)]
MomentField = Annotated[datetime, BeforeValidator(_as_moment)]
PathField = Annotated[Path, BeforeValidator(_as_path)]
Visibility = Literal["public", "private"]


class TokenEntry(_Entry):
    """An access token. Without ``value`` one is made, and shown once."""

    name: str
    role: Literal["read", "write", "fineGrained"]
    value: str | None = None
    value_file: PathField | None = None
    expires: MomentField | None = None
    scopes: dict[str, Any] | None = None  # Any: checked by the domain

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.value is not None and self.value_file is not None:
            raise ValueError("give 'value' or 'value_file', not both")
        return self


class UserEntry(_Entry):
    """A user. What is not given stays as it is."""

    name: str
    password: str | None = None
    password_file: PathField | None = None
    fullname: str | None = None
    email: str | None = None
    admin: bool | None = None
    disabled: bool | None = None
    details: str | None = None
    avatar_url: str | None = None
    default_visibility: Visibility | None = None
    settings: dict[str, Any] = Field(default_factory=dict)  # Any: people's own preferences
    tokens: tuple[TokenEntry, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give 'password' or 'password_file', not both")
        return self


class OrgEntry(_Entry):
    """An organization. ``members`` maps users to roles; null removes one, others stay."""

    name: str
    fullname: str | None = None
    details: str | None = None
    avatar_url: str | None = None
    default_visibility: Visibility | None = None
    members: dict[str, Literal["admin", "write", "contributor", "read", "no_access"] | None] = Field(
        default_factory=dict
    )


class RepoEntry(_Entry):
    """A repository. ``card`` are fields of the README it is created with."""

    type: RepoTypeField
    id: RepoIdField
    visibility: Literal["public", "private", "protected"] | None = None
    gated: Literal["auto", "manual", False] | None = None
    disabled: bool | None = None
    settings: dict[str, Any] = Field(default_factory=dict)  # Any: the repository's own
    card: dict[str, Any] = Field(default_factory=dict)  # Any: whatever a card may say
    folder: PathField | None = None
    prune: bool = False
    message: str = "Update from the provision file"

    @field_validator("message")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    @model_validator(mode="after")
    def _prune_needs_folder(self) -> Self:
        if self.prune and self.folder is None:
            raise ValueError("'prune' needs a 'folder' to compare with")
        return self


class AliasEntries(_Entry):
    """Single names by type; null removes one."""

    models: dict[str, RepoIdField | None] = Field(default_factory=dict)
    datasets: dict[str, RepoIdField | None] = Field(default_factory=dict)
    spaces: dict[str, RepoIdField | None] = Field(default_factory=dict)

    def by_type(self, kind: RepoType) -> dict[str, RepoId | None]:
        """Return the aliases of one type."""
        found: dict[str, RepoId | None] = getattr(self, kind.plural)
        return found


class Document(_Entry):
    """A whole provision file. ``base`` is the directory that relative paths start from."""

    users: tuple[UserEntry, ...] = Field(default=(), strict=False)
    organizations: tuple[OrgEntry, ...] = Field(default=(), strict=False)
    repositories: tuple[RepoEntry, ...] = Field(default=(), strict=False)
    aliases: AliasEntries = AliasEntries()
    base: Path = Field(default=Path(), exclude=True)

    def account_names(self) -> list[str]:
        """Return the case-folded names of every user and organization the file has."""
        return [user.name.lower() for user in self.users] + [org.name.lower() for org in self.organizations]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        _refuse_twice("user or organization", self.account_names())
        _refuse_twice("repository", [f"{each.type.value} {each.id}".lower() for each in self.repositories])
        return self


def read_document(path: Path) -> Document:
    """Read and check a provision file. Raises BadProvisionFile naming the place of the first mistakes."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadProvisionFile(f"{path} is larger than {MAX_BYTES} bytes: files belong in 'folder'.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadProvisionFile(f"Cannot read {path}: {error}") from error
    try:
        content = yaml.load(text, _Loader)  # noqa: S506  (a safe loader that refuses repeated keys)
    except yaml.YAMLError as error:
        raise BadProvisionFile(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or "base" in content:
        raise BadProvisionFile(f"{path} must hold a mapping with the keys {', '.join(_KEYS)}.")
    try:
        return Document.model_validate({**content, "base": path.absolute().parent})
    except ValidationError as error:
        raise BadProvisionFile(f"{path}: {_explain(error)}") from None


_KEYS = tuple(name for name in Document.model_fields if name != "base")
_SHOWN = 5


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, refusing a key given twice: the first would be ignored without a word."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:  # Any: any YAML
        seen: set[object] = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else None)
        found: dict[Any, Any] = super().construct_mapping(node, deep)  # Any: any YAML
        return found


def _explain(error: ValidationError) -> str:
    problems = error.errors()
    shown = [f"{_place(each['loc']) or 'the file'}: {_sentence(each)}" for each in problems[:_SHOWN]]
    more = len(problems) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "") + "."


def _sentence(problem: Any) -> str:  # Any: pydantic's ErrorDetails is for type checkers only
    if problem["type"] == "extra_forbidden":
        return "this key is unknown"
    if problem["type"] == "missing":
        return "this key is missing"
    if problem["type"] == "string_type":
        return "must be text: put it in quotes"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return (message[:1].lower() + message[1:]).rstrip(".")


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _refuse_twice(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} is listed twice")
        seen.add(name)
