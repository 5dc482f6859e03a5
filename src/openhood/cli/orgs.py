"""``openhood org …``: administrators look at organizations and their members, and change them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import AsJson, refusals, refuse, write_done, write_rows
from openhood.domain.access import SYSTEM, OrgRole

app = typer.Typer(help="Look at organizations and change them.", no_args_is_help=True)

Org = Annotated[str, typer.Argument(help="Name of the organization.")]
User = Annotated[str, typer.Argument(help="Name of the user.")]
Role = Annotated[str, typer.Argument(help="admin, write, contributor, read or no_access.")]


@app.command("add")
@refusals
def add(
    name: Org,
    fullname: Annotated[str, typer.Option(help="Name as people write it.")] = "",
    default_visibility: Annotated[
        str | None,
        typer.Option(help="'public' or 'private': of new repositories whose creator does not say."),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create an organization. Works before the hub's first start too."""
    from openhood.domain.accounts import actions

    visibility: Literal["public", "private"] | None = None
    if default_visibility == "public":
        visibility = "public"
    elif default_visibility == "private":
        visibility = "private"
    elif default_visibility is not None:
        raise refuse("--default-visibility must be 'public' or 'private'.")
    with opened(data, create=True) as sv:
        org = actions.create_org(
            sv, SYSTEM, name=name, fullname=fullname, default_visibility=visibility, lenient_name=True
        )
    write_done(
        f"Organization {org.name} was created. Add members with: openhood org set-member {org.name} USER ROLE",
        as_json=as_json,
        name=org.name,
        fullname=org.fullname,
        default_visibility=org.default_visibility,
    )


@app.command("list")
@refusals
def list_orgs(
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List organizations by name."""
    with opened(data, create=False) as sv:
        from openhood.cli.pages import all_accounts

        rows = [
            {
                "name": org.name,
                "fullname": org.fullname,
                "default_visibility": org.default_visibility,
                "created": org.created_at,
            }
            for org in all_accounts(sv, kind="org", search=search)
        ]
    write_rows(rows, as_json=as_json, empty="There are no organizations.")


@app.command("members")
@refusals
def members(name: Org, data: Data = None, as_json: AsJson = False) -> None:
    """List an organization's members and their roles."""
    with opened(data, create=False) as sv:
        from openhood.cli.pages import all_members

        rows = [
            {"name": each.account.name, "fullname": each.account.fullname, "role": each.role.label}
            for each in all_members(sv, org=name)
        ]
    write_rows(rows, as_json=as_json, empty=f"{name} has no members.")


@app.command("set-member")
@refusals
def set_member(org: Org, user: User, role: Role, data: Data = None, as_json: AsJson = False) -> None:
    """Add a member to an organization, or change a member's role."""
    from openhood.domain.accounts import actions

    parsed = OrgRole.from_label(role)
    if parsed is None:
        raise refuse(f"Unknown role {role!r}. Use admin, write, contributor, read or no_access.")
    with opened(data, create=False) as sv:
        actions.set_member(sv, SYSTEM, org=org, user=user, role=parsed)
    write_done(f"{user} has the role {role} in {org}.", as_json=as_json, org=org, user=user, role=role)


@app.command("remove-member")
@refusals
def remove_member(org: Org, user: User, data: Data = None, as_json: AsJson = False) -> None:
    """Remove a member from an organization."""
    from openhood.domain.accounts import actions

    with opened(data, create=False) as sv:
        actions.set_member(sv, SYSTEM, org=org, user=user, role=None)
    write_done(f"{user} is no longer a member of {org}.", as_json=as_json, org=org, user=user, role=None)
