"""Creating, moving, duplicating, changing and deleting repositories over the Hub's API, and single names.

URLs in answers follow the request's own host: huggingface_hub refuses those of another.
"""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from pydantic import BaseModel, Field, StrictBool
from starlette.responses import PlainTextResponse, Response

from openhood.base.errors import (
    BadRequest,
    Conflict,
    InvalidCard,
    NotFound,
    NotSupported,
    RepoExists,
    Unauthorized,
)
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need
from openhood.domain.discovery import lists
from openhood.domain.repos import aliases, lifecycle
from openhood.domain.repos.lifecycle import NewRepo, SettingsChange
from openhood.engines.formats.card_rules import validate_card
from openhood.http.api.lists import order_of
from openhood.http.bodies import read_model
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_TYPE = "/api/{type:models|datasets|spaces|kernels}"
_ID = _TYPE + "/{ns}/{name}"
_STORAGE_SORTS = {"storage": "usedStorage", "updatedAt": "lastModified"}
_NO_PAGE = "Sorry, we can't find the page you are looking for."
# What may follow a single id: elsewhere the path is no repository's, and the answer no hint at one.
_TAILS = (
    "revision tree paths-info refs commits resolve raw info blob safetensors-metadata xet-read-token "
    "preupload commit branch tag settings auth-check discussions likers like"
)
_AFTER_SINGLE_ID = frozenset(_TAILS.split())


class _SpaceFields(BaseModel):
    """What only running a space would need."""

    hardware: str | None = None
    storageTier: str | None = None  # the Hub's own spelling, here and below
    sleepTimeSeconds: int | None = None
    secrets: list[object] | None = None
    variables: list[object] | None = None
    volumes: list[object] | None = None
    resourceGroupId: str | None = Field(None, max_length=40)


class _File(BaseModel):
    path: str
    content: str
    encoding: Literal["base64", "utf-8"] = "utf-8"


class _Create(_SpaceFields):
    name: str
    organization: str | None = None
    type: str | None = None
    visibility: str | None = None
    private: StrictBool | None = None
    sdk: str | None = None
    sdkVersion: str | None = None
    template: str | None = None
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    short_description: str | None = None
    region: str | None = None
    devModeEnabled: bool | None = None
    files: list[_File] = Field(default_factory=list, max_length=1000)


class _Delete(BaseModel):
    name: str
    organization: str | None = None
    type: str | None = None


class _Move(BaseModel):
    fromRepo: str
    toRepo: str
    type: str | None = None


class _Duplicate(_SpaceFields):
    repository: str
    visibility: str | None = None
    private: StrictBool | None = None


class _Settings(BaseModel):
    gated: Literal["auto", "manual", False] | None = None
    visibility: str | None = None
    private: StrictBool | None = None
    disabled: StrictBool | None = None
    discussionsDisabled: StrictBool | None = None
    discussionsSorting: str | None = Field(None, max_length=60)
    orgMembersGated: StrictBool | None = None
    gatedNotificationsEmail: str | None = Field(None, max_length=320)
    gatedNotificationsMode: Literal["bulk", "real-time"] | None = None
    xetEnabled: StrictBool | None = None


class _Card(BaseModel):
    content: str
    repoType: str | None = None


async def create(call: Call) -> Response:
    """``POST /api/repos/create``."""
    body = await read_model(call, _Create)
    repo_type = _type_of(body.type)
    _refuse_unbuilt(body)
    if body.template or body.devModeEnabled or body.region not in (None, "us"):
        raise NotSupported("This hub has no space templates, no dev mode and one region, 'us'.")
    namespace, name = _split_name(body.name, body.organization)
    fields = {
        "license": body.license,
        "license_name": body.license_name,
        "license_link": body.license_link,
        "sdk": body.sdk if repo_type is RepoType.SPACE else None,
        "sdk_version": body.sdkVersion if repo_type is RepoType.SPACE else None,
        "short_description": body.short_description,
    }
    new = NewRepo(
        type=repo_type,
        namespace=namespace,
        name=name,
        visibility=_visibility(body.visibility, body.private),
        resource_group=body.resourceGroupId,
        files={file.path: _content(file) for file in body.files},
        card={key: value for key, value in fields.items() if value},
    )
    try:
        repo = await call.act(lifecycle.create_repo, new=new)
    except RepoExists as error:
        raise _taken(call, error) from error
    return json_reply({"url": call.base_url + repo.web_path, "name": str(repo.repo_id), "id": repo.hex_id})


async def delete(call: Call) -> Response:
    """``DELETE /api/repos/delete``, with a JSON body."""
    body = await read_model(call, _Delete)
    namespace, name = _split_name(body.name, body.organization)
    if namespace is None:
        viewer = await call.viewer()
        if viewer.is_anonymous:
            raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
        namespace = viewer.name
    await call.act(
        lifecycle.delete_repo, repo_type=_type_of(body.type), repo_id=RepoId.parse(f"{namespace}/{name}")
    )
    return json_reply({})


async def move(call: Call) -> Response:
    """``POST /api/repos/move``."""
    body = await read_model(call, _Move)
    repo = await call.act(
        lifecycle.move_repo,
        repo_type=_type_of(body.type),
        old=RepoId.parse(body.fromRepo),
        new=RepoId.parse(body.toRepo),
    )
    return json_reply({"url": call.base_url + repo.web_path, "name": str(repo.repo_id)})


async def duplicate(call: Call) -> Response:
    """``POST /api/{type}/{id}/duplicate``."""
    body = await read_model(call, _Duplicate)
    _refuse_unbuilt(body)
    try:
        repo = await call.act(
            lifecycle.duplicate_repo,
            repo_type=call.repo_type,
            source=call.repo_id,
            target=RepoId.parse(body.repository),
            visibility=_visibility(body.visibility, body.private),
            resource_group=body.resourceGroupId,
        )
    except RepoExists as error:
        raise _taken(call, error) from error
    url = call.base_url + repo.web_path
    return json_reply({"url": url, "name": str(repo.repo_id), "id": repo.hex_id, "filesCopyPending": False})


async def settings(call: Call) -> Response:
    """``PUT /api/{type}/{id}/settings``: answers with the keys it changed, but not those of notifications."""
    body = await read_model(call, _Settings)
    if body.xetEnabled is False:
        raise NotSupported(
            "This hub keeps every repository's large files as chunks: Xet cannot be switched off."
        )
    given = body.model_dump(exclude_none=True)
    others = {key: value for key, value in given.items() if key in _KEPT_SETTINGS}
    await call.act(
        lifecycle.update_settings,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        change=SettingsChange(
            visibility=_visibility(body.visibility, body.private),
            gated=None if body.gated is None else body.gated or "",
            is_disabled=body.disabled,
            others=others,
        ),
    )
    return json_reply(
        {key: value for key, value in given.items() if not key.startswith("gatedNotifications")}
    )


_KEPT_SETTINGS = frozenset(
    {
        "discussionsDisabled",
        "discussionsSorting",
        "orgMembersGated",
        "gatedNotificationsEmail",
        "gatedNotificationsMode",
    }
)


async def auth_check(call: Call) -> Response:
    """``GET /api/{type}/{id}/auth-check``: whether the caller may read its files."""
    await call.act(lifecycle.auth_check, repo_type=call.repo_type, repo_id=call.repo_id, need=Need.READ)
    return PlainTextResponse("OK")


async def auth_check_write(call: Call) -> Response:
    """``GET /api/{type}/{id}/auth-check/write``: whether the caller may commit to it."""
    await call.act(lifecycle.auth_check, repo_type=call.repo_type, repo_id=call.repo_id, need=Need.WRITE)
    return PlainTextResponse("OK")


async def list_storage(call: Call) -> Response:
    """``GET /api/settings/repositories`` and the same of an organization."""
    kind = call.query("type")
    if kind in ("bucket", "kernel"):
        return json_reply([])
    page = await call.act(
        lists.list_storage,
        namespace=call.params.get("o"),
        types=(_type_of(kind),) if kind else tuple(RepoType),
        search=call.query("search") or None,
        order=order_of(call, default="updatedAt", spellings=_STORAGE_SORTS),
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=100, low=1, high=lists.MAX_PAGE),
    )
    items = [
        {
            "id": str(item.repo.repo_id),
            "type": item.repo.type.value,
            "updatedAt": moment(item.repo.last_modified),
            "visibility": item.repo.visibility,
            "storage": item.used_storage_bytes,
            "storagePercent": round(100 * item.used_storage_bytes / page.total_bytes, 4)
            if page.total_bytes
            else 0,
        }
        for item in page.items
    ]
    return json_reply(items, headers=next_link(call, page.cursor))


async def validate_yaml(call: Call) -> Response:
    """``POST /api/validate-yaml``: what is wrong with a card; as text where the client wants text."""
    body = await read_model(call, _Card)
    known = {"model": RepoType.MODEL, "dataset": RepoType.DATASET, "space": RepoType.SPACE}
    report = await call.run(validate_card, body.content, known.get(body.repoType or "model"))
    if call.request.headers.get("accept", "").startswith("text/plain"):
        lines = [f"- Error: {text}" for text in report.errors]
        lines += [f"- Warning: {text}" for text in report.warnings]
        title = "Invalid metadata in README.md." if report.errors else "The metadata is valid."
        return PlainTextResponse("\n".join([title, *lines]), 400 if report.errors else 200)
    answer = {
        "errors": [{"message": text} for text in report.errors],
        "warnings": [{"message": text} for text in report.warnings],
    }
    if report.errors:
        raise InvalidCard("Invalid metadata in README.md.", **answer)
    return json_reply(answer)


async def list_templates(call: Call) -> Response:
    """``GET /api/spaces/templates``: this hub has none."""
    return json_reply({"templates": []})


async def single_id(call: Call) -> Response:
    """Any route under a single name such as ``gpt2``: 307 to the same route under what it stands for."""
    tail = call.params.get("tail", "")
    if tail and tail.split("/")[0] not in _AFTER_SINGLE_ID:
        raise NotFound(_NO_PAGE)
    await call.act(aliases.follow_alias, repo_type=call.repo_type, name=call.params["ns"])
    raise AssertionError("follow_alias always raises")


def _type_of(text: str | None) -> RepoType:
    if text in ("kernel", "bucket"):
        raise NotSupported(f"This hub holds models, datasets and spaces, no {text}s yet.")
    try:
        return RepoType(text or "model")
    except ValueError as error:
        raise BadRequest("'type' must be 'model', 'dataset' or 'space'.") from error


def _refuse_unbuilt(body: _SpaceFields) -> None:
    """Running spaces is not built: what was asked for it must not be lost silently."""
    for name in ("storageTier", "sleepTimeSeconds", "secrets", "variables", "volumes"):
        if getattr(body, name):
            raise NotSupported(f"This hub does not run spaces yet, so '{name}' cannot be set.")
    if body.hardware not in (None, "cpu-basic"):
        raise NotSupported("This hub does not run spaces yet, so no 'hardware' can be requested.")


def _split_name(name: str, organization: str | None) -> tuple[str | None, str]:
    if organization:
        return organization, name
    namespace, slash, rest = name.partition("/")
    return (namespace, rest) if slash else (None, name)


def _visibility(visibility: str | None, private: bool | None) -> str | None:
    if visibility is not None:
        return visibility
    return None if private is None else "private" if private else "public"


def _content(file: _File) -> bytes:
    if file.encoding == "utf-8":
        return file.content.encode("utf-8", "replace")
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"The content of the file '{file.path[:200]}' is not valid base64.") from error


def _taken(call: Call, error: RepoExists) -> Conflict:
    # `exist_ok` reads `url` from the 409 (`hf_api.py::create_repo`).
    return Conflict(f"You already created this {error.repo_type} repo", url=call.base_url + error.web_path)


ROUTES: tuple[Route, ...] = (
    Route(("POST",), "/api/repos/create", create),
    Route(("DELETE",), "/api/repos/delete", delete),
    Route(("POST",), "/api/repos/move", move),
    Route(("POST",), _ID + "/duplicate", duplicate),
    Route(("PUT",), _ID + "/settings", settings),
    Route(("GET",), _ID + "/auth-check", auth_check),
    Route(("GET",), _ID + "/auth-check/write", auth_check_write),
    Route(("GET",), "/api/settings/repositories", list_storage),
    Route(("GET",), "/api/organizations/{o}/settings/repositories", list_storage),
    Route(("POST",), "/api/validate-yaml", validate_yaml),
    Route(("GET",), "/api/spaces/templates", list_templates),
    # The rest of the path is tried after every other route.
    Route(("GET",), _TYPE + "/{ns}", single_id),
    Route(("GET", "POST"), _TYPE + "/{ns}/{tail:path}", single_id),
    Route(("GET",), "/{ns}/{tail:path}", single_id, fixed={"type": "models"}),
    Route(("GET",), "/datasets/{ns}/{tail:path}", single_id, fixed={"type": "datasets"}),
    Route(("GET",), "/spaces/{ns}/{tail:path}", single_id, fixed={"type": "spaces"}),
)
