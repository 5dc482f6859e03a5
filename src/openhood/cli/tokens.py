"""``openhood token …``: administrators create, list and revoke access tokens of any user."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import AsJson, err, out, refusals, refuse, write_done, write_json, write_rows
from openhood.domain.access import SYSTEM

if TYPE_CHECKING:
    from openhood.domain.accounts.types import TokenInfo

app = typer.Typer(help="Create, list and revoke access tokens.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="Name of the user.")]
_DAYS = re.compile(r"([1-9][0-9]{0,4})d")


@app.command("create")
@refusals
def create(
    user: User,
    name: Annotated[str, typer.Option(help="Name of the token, to recognise it.")],
    role: Annotated[str, typer.Option(help="read, write or fineGrained.")],
    scopes: Annotated[
        Path | None,
        typer.Option(help="JSON file with the scopes of a fine-grained token, in the Hub's form."),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="A date (2030-12-31), or days from now (90d).")] = None,
    value_stdin: Annotated[
        bool, typer.Option("--value-stdin", help="Read the token's value (hf_…) from standard input.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create an access token and print it: only now, since the hub keeps its hash alone."""
    from openhood.domain.accounts import actions

    value = sys.stdin.readline().strip() if value_stdin else None
    with opened(data, create=False) as sv:
        info, secret = actions.create_token(
            sv,
            SYSTEM,
            user=user,
            display_name=name,
            role=role,
            scopes=None if scopes is None else _read_scopes(scopes),
            expires_at=None if expires is None else _moment(expires, now=sv.clock.now()),
            value=value,
        )
    if as_json:
        write_json({**_facts(info), "token": secret})
    else:
        # The secret alone on standard output: export HF_TOKEN=$(openhood token create …)
        err.print(
            f"Token '{info.display_name}' of {info.user_name}. It is shown only this once:", markup=False
        )
        out.print(secret, markup=False)


@app.command("list")
@refusals
def list_tokens(user: User, data: Data = None, as_json: AsJson = False) -> None:
    """List a user's tokens, without their values."""
    from openhood.domain.accounts import actions

    with opened(data, create=False) as sv:
        rows = [_facts(info) for info in actions.list_tokens(sv, SYSTEM, user=user)]
    write_rows(rows, as_json=as_json, empty=f"{user} has no tokens.")


@app.command("revoke")
@refusals
def revoke(
    token: Annotated[str, typer.Argument(help="Id of the token, as 'openhood token list' shows it.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token at once."""
    from openhood.domain.accounts import actions

    with opened(data, create=False) as sv:
        actions.revoke_token(sv, SYSTEM, token=token)
    write_done(f"Token {token} was revoked.", as_json=as_json, id=token, revoked=True)


def _facts(info: TokenInfo) -> dict[str, object]:
    return {
        "id": info.hex_id,
        "user": info.user_name,
        "name": info.display_name,
        "kind": info.kind,
        "role": info.role,
        "ends_with": info.hint,
        "created": info.created_at,
        "expires": info.expires_at,
        "last_used": info.last_used_at,
    }


def _moment(text: str, *, now: datetime) -> datetime:
    days = _DAYS.fullmatch(text)
    if days is not None:
        return now + timedelta(days=int(days[1]))
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(f"--expires must be a date like 2030-12-31 or days like 90d, not {text!r}.") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _read_scopes(path: Path) -> Mapping[str, object]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise refuse(f"Cannot read the scopes from {path}: {error}") from None
    if not isinstance(document, dict):
        raise refuse(f"{path} must hold a JSON object.")
    return document
