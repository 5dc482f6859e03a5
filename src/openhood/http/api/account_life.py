"""Renaming and closing accounts, one's own and an organization's. Extensions of this hub."""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import Unauthorized
from openhood.domain.accounts import deleting
from openhood.domain.repos import following
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route


class _Rename(BaseModel):
    name: str
    password: str = ""


class _Close(BaseModel):
    password: str = Field("", max_length=1001)
    code: str = ""
    deleteRepositories: bool = False


class _CloseOrg(BaseModel):
    confirm: str
    deleteRepositories: bool = False


async def rename_own(call: Call) -> Response:
    """``POST /api/settings/account/rename``."""
    viewer = await call.viewer()
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    return await _rename(call, viewer.name)


async def rename_org(call: Call) -> Response:
    """``POST /api/organizations/{o}/rename``."""
    return await _rename(call, call.params["o"])


async def close_own(call: Call) -> Response:
    """``DELETE /api/settings/account``."""
    body = await bodies.read_model(call, _Close)
    await call.act(
        deleting.close_own, password=body.password, code=body.code, with_repos=body.deleteRepositories
    )
    return Response(status_code=204)


async def close_org(call: Call) -> Response:
    """``DELETE /api/organizations/{o}``."""
    body = await bodies.read_model(call, _CloseOrg)
    await call.act(
        deleting.close_org,
        org=call.params["o"],
        confirm=body.confirm,
        with_repos=body.deleteRepositories,
    )
    return Response(status_code=204)


async def _rename(call: Call, name: str) -> Response:
    body = await bodies.read_model(call, _Rename)
    account = await call.act(following.rename_account, name=name, new=body.name, password=body.password)
    return json_reply({"name": account.name, "url": f"{call.base_url}/{account.name}"})


ROUTES: tuple[Route, ...] = (
    Route(("POST",), "/api/settings/account/rename", rename_own),
    Route(("DELETE",), "/api/settings/account", close_own),
    Route(("POST",), "/api/organizations/{o}/rename", rename_org),
    Route(("DELETE",), "/api/organizations/{o}", close_org),
)
