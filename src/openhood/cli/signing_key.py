"""``openhood signing-key …``: the key that this hub signs identity tokens of people with."""

from __future__ import annotations

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import AsJson, refusals, write_done
from openhood.domain.access import SYSTEM

app = typer.Typer(help="Change the key that identity tokens are signed with.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Change the key that identity tokens are signed with."""


@app.command("rotate")
@refusals
def rotate(data: Data = None, as_json: AsJson = False) -> None:
    """Sign with a new key from now on; the old one stays published for a week."""
    from openhood.domain.accounts import oidc_keys

    with opened(data, create=False) as sv:
        kid = oidc_keys.rotate(sv, SYSTEM)
    write_done(f"Identity tokens are signed with the key {kid} now.", as_json=as_json, kid=kid)
