"""``openhood org …``: administrators look at organizations and their members, and change them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from openhood.cli.options import Data, opened
from openhood.cli.output import AsJson, Yes, confirm, refusals, refuse, write_done, write_rows
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


@app.command("rename")
@refusals
def rename(
    name: Org,
    new: Annotated[str, typer.Argument(help="The new name.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Give an organization another name: the repositories follow, and the old name leads to the new one."""
    from openhood.domain.repos import following

    with opened(data, create=False) as sv:
        account = following.rename_account(sv, SYSTEM, name=name, new=new)
    write_done(f"{name} is now called {account.name}.", as_json=as_json, old=name, name=account.name)


@app.command("delete")
@refusals
def delete(
    name: Org,
    yes: Yes = False,
    with_repos: Annotated[
        bool, typer.Option("--with-repos", help="Delete the repositories it owns as well.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Delete an organization for good; refused while it owns repositories, unless they are to go too."""
    from openhood.domain.accounts import deleting

    confirm(f"Delete the organization {name}?", yes=yes)
    with opened(data, create=False) as sv:
        deleting.close_org(sv, SYSTEM, org=name, confirm=name, with_repos=with_repos)
    write_done(f"The organization {name} was deleted.", as_json=as_json, org=name, deleted=True)


@app.command("invite")
@refusals
def invite(
    org: Org,
    user: Annotated[str | None, typer.Option(help="Name of the user to invite.")] = None,
    email: Annotated[str | None, typer.Option(help="E-mail address of the one to invite.")] = None,
    role: Annotated[str | None, typer.Option(help="write, contributor, read, no_access or admin.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Invite somebody into an organization, and show the last part of the link that accepts it."""
    from openhood.domain.accounts import invitations

    parsed = None if role is None else OrgRole.from_label(role)
    if role is not None and parsed is None:
        raise refuse(f"Unknown role {role!r}. Use admin, write, contributor, read or no_access.")
    with opened(data, create=False) as sv:
        made = invitations.invite(sv, SYSTEM, org=org, user=user, email=email, role=parsed)
        path = f"/invitations/{invitations.link_token(sv, made.hex_id)}"
        url = (sv.settings.public_url or "") + path
    write_done(
        f"Invited as {made.role.label}. The link, good until {made.expires_at:%Y-%m-%d}: {url}",
        as_json=as_json,
        org=made.org.name,
        role=made.role.label,
        url=url,
        expires=made.expires_at,
    )


@app.command("groups")
@refusals
def list_groups(name: Org, data: Data = None, as_json: AsJson = False) -> None:
    """List an organization's resource groups."""
    from openhood.domain.accounts import groups

    with opened(data, create=False) as sv:
        found = groups.list_groups(sv, SYSTEM, org=name, after=None, limit=groups.MAX_GROUPS)
    rows = [
        {
            "id": each.group.hex_id,
            "name": each.group.name,
            "members": each.member_count,
            "repositories": each.repo_count,
            "auto_join": None if each.group.auto_join_role is None else each.group.auto_join_role.label,
        }
        for each in found
    ]
    write_rows(rows, as_json=as_json, empty=f"{name} has no resource groups.")


@app.command("service-accounts")
@refusals
def list_service_accounts(name: Org, data: Data = None, as_json: AsJson = False) -> None:
    """List an organization's service accounts and their roles."""
    from openhood.domain.accounts import service_accounts

    with opened(data, create=False) as sv:
        found = service_accounts.list_all(sv, SYSTEM, org=name)
    rows = [
        {"name": each.account.name, "fullname": each.account.fullname, "role": each.role.label}
        for each in found
    ]
    write_rows(rows, as_json=as_json, empty=f"{name} has no service accounts.")


@app.command("add-service-account")
@refusals
def add_service_account(
    org: Org,
    name: Annotated[str, typer.Argument(help="Name of the new service account.")],
    role: Annotated[str, typer.Option(help="write, contributor, read or no_access.")] = "read",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Create a service account of an organization. Make its tokens with: openhood token create."""
    from openhood.domain.accounts import service_accounts

    parsed = OrgRole.from_label(role)
    if parsed is None:
        raise refuse(f"Unknown role {role!r}. Use write, contributor, read or no_access.")
    with opened(data, create=False) as sv:
        made = service_accounts.create(sv, SYSTEM, org=org, name=name, role=parsed)
    write_done(
        f"The service account {made.account.name} was created with the role {role} in {org}.",
        as_json=as_json,
        name=made.account.name,
        org=org,
        role=role,
    )


@app.command("remove-service-account")
@refusals
def remove_service_account(
    org: Org,
    name: Annotated[str, typer.Argument(help="Name of the service account.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Close a service account of an organization: its tokens end."""
    from openhood.domain.accounts import service_accounts

    with opened(data, create=False) as sv:
        service_accounts.delete(sv, SYSTEM, org=org, name=name)
    write_done(f"The service account {name} was closed.", as_json=as_json, name=name, org=org)
