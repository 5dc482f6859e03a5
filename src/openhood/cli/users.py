"""``openhood user …``: administrators look at users and change them. The rules are the domain's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import (
    AsJson,
    PasswordStdin,
    Yes,
    ask_password,
    confirm,
    refusals,
    refuse,
    write_done,
    write_facts,
    write_rows,
)
from openhood.domain.access import SYSTEM

if TYPE_CHECKING:
    from openhood.domain.accounts.types import Account

app = typer.Typer(help="Look at users and change them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the user.")]


@app.command("add")
@refusals
def add(
    name: Name,
    fullname: Annotated[str, typer.Option(help="Name as people write it.")] = "",
    email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Make the user an administrator of the hub.")
    ] = False,
    password_stdin: PasswordStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="No sign-in by password: the user acts through tokens only.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create a user; asks for the password, hidden. Works before the hub's first start too."""
    from openhood.domain.accounts import actions

    if no_password and password_stdin:
        raise refuse("--no-password and --password-stdin contradict each other.")
    password = None if no_password else ask_password(from_stdin=password_stdin)
    with opened(data, create=True) as sv:
        account = actions.create_user(
            sv,
            SYSTEM,
            name=name,
            password=password,
            email=email,
            fullname=fullname,
            is_admin=admin,
            lenient_name=True,
        )
    write_done(f"User {account.name} was created.", as_json=as_json, **_facts(account))


@app.command("list")
@refusals
def list_users(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List users by name, disabled ones too."""
    with opened(data, create=False) as sv:
        from openhood.cli.pages import all_accounts

        rows = [_facts(account) for account in all_accounts(sv, kind="user", search=search)]
    write_rows(rows, as_json=as_json, empty="There are no users.")


@app.command("show")
@refusals
def show(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Show a user, the organizations of the user, and how much the user owns."""
    from openhood.domain.accounts import actions

    with opened(data, create=False) as sv:
        profile = actions.see_profile(sv, SYSTEM, name=name, kind="user")
        tokens = actions.list_tokens(sv, SYSTEM, user=name)
    facts = _facts(profile.account)
    organizations = {each.org.name: each.role.label for each in profile.memberships}
    facts["organizations"] = (
        organizations if as_json else ", ".join(f"{k} ({v})" for k, v in organizations.items())
    )
    facts |= {
        "models": profile.counts.models,
        "datasets": profile.counts.datasets,
        "spaces": profile.counts.spaces,
        "tokens": len(tokens),
    }
    write_facts(facts, as_json=as_json)


@app.command("password")
@refusals
def password(
    name: Name,
    password_stdin: PasswordStdin = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the password away: tokens only.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Set a user's password, asked for hidden; the user's browser sessions end."""
    from openhood.domain.accounts import actions

    if remove and password_stdin:
        raise refuse("--remove and --password-stdin contradict each other.")
    new = None if remove else ask_password(from_stdin=password_stdin)
    with opened(data, create=False) as sv:
        actions.set_password(sv, SYSTEM, user=name, password=new)
    done = "taken away" if remove else "set"
    write_done(f"The password of {name} was {done}.", as_json=as_json, user=name, has_password=not remove)


@app.command("admin")
@refusals
def admin(
    name: Name,
    revoke: Annotated[bool, typer.Option("--revoke", help="No longer an administrator.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a user an administrator of the hub, or no longer one."""
    from openhood.domain.accounts import actions

    with opened(data, create=False) as sv:
        actions.set_admin(sv, SYSTEM, user=name, is_admin=not revoke)
    state = "no longer" if revoke else "now"
    write_done(f"{name} is {state} an administrator.", as_json=as_json, user=name, admin=not revoke)


@app.command("disable")
@refusals
def disable(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Lock a user out at once: sessions end, tokens and the password no longer work."""
    _set_active(name, data, as_json, is_active=False)


@app.command("enable")
@refusals
def enable(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Let a disabled user in again."""
    _set_active(name, data, as_json, is_active=True)


@app.command("delete")
@refusals
def delete(name: Name, yes: Yes = False, data: Data = None, as_json: AsJson = False) -> None:
    """Close a user's account: tokens, password and memberships go; the name and its repositories stay."""
    from openhood.domain.accounts import actions

    confirm(f"Close the account of {name}?", yes=yes)
    with opened(data, create=False) as sv:
        actions.delete_user(sv, SYSTEM, user=name)
    write_done(f"The account of {name} was closed.", as_json=as_json, user=name, disabled=True)


@app.command("rename")
@refusals
def rename(
    name: Name,
    new: Annotated[str, typer.Argument(help="The new name.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give a user another name: the repositories follow, and the old name leads to the new one."""
    from openhood.domain.repos import following

    with opened(data, create=False) as sv:
        account = following.rename_account(sv, SYSTEM, name=name, new=new)
    write_done(f"{name} is now called {account.name}.", as_json=as_json, old=name, name=account.name)


@app.command("reset-2fa")
@refusals
def reset_second_factor(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Take away the second factor of a user who lost it; the password is enough until another one is set up."""
    from openhood.domain.accounts import second_factor

    with opened(data, create=False) as sv:
        had_one = second_factor.reset(sv, SYSTEM, user=name)
    done = "was taken away" if had_one else "was off already"
    write_done(f"The second factor of {name} {done}.", as_json=as_json, user=name, had_one=had_one)


def _set_active(name: str, data: Data, as_json: bool, *, is_active: bool) -> None:
    from openhood.domain.accounts import actions

    with opened(data, create=False) as sv:
        actions.set_active(sv, SYSTEM, user=name, is_active=is_active)
    state = "may sign in again" if is_active else "is locked out"
    write_done(f"{name} {state}.", as_json=as_json, user=name, disabled=not is_active)


def _facts(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "fullname": account.fullname,
        "email": account.email,
        "admin": account.is_admin,
        "disabled": not account.is_active,
        "created": account.created_at,
    }
