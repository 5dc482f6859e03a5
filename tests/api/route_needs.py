"""What each route needs, by its handler: the one list beside the policy, for `test_route_permissions`.

Routes below a repository name the `Need` that stands between a caller and the answer; None where the caller's own
part in a thing decides (their comment, their request) and suites of their own test it. The others name who may ask.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from openhood.domain.access import Need

_OID = "0" * 40
_HASH = "0" * 64


def _commit(*lines: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines)


_ONE_FILE = _commit(
    {"key": "header", "value": {"summary": "More", "description": ""}},
    {
        "key": "file",
        "value": {"path": "a.txt", "content": base64.b64encode(b"a").decode(), "encoding": "base64"},
    },
)

PARAMETERS = {
    "config": "default",
    "split": "train",
    "row": "0",
    "shard": "0",
    "column": "a",
    "rev": "main",
    "path": "README.md",
    "spec": "main..main",
    "number": "2",
    "comment": "0" * 24,
    "status": "pending",
    "sha": _OID,
    "lock": "0" * 24,
    "publisher": "0" * 24,
    "request": "0" * 24,
    "u": "boss",
    "o": "acme",
    "token": "0" * 24,
    "id": "0" * 24,
    "gid": "0" * 24,
    "session": "0" * 24,
    "report": "0" * 24,
    "decision": "approve",
    "w": "0" * 24,
    "log": "0" * 24,
    "slug": f"none-{'0' * 24}",
    "item": "0" * 24,
    "client": "nothing",
    "ns": "acme",
    "tail": "x/y",
    "file": "0" * 32,
    "account": "0" * 24,
    "picture": "0" * 24,
    "part": "1",
    "provider": "nobody",
    "secret": "nothing",
    "sha256": _HASH,
    "epoch": "0",
    "prefix": "default",
    "hash": _HASH,
    "grant": "0",
    "type": "models",
    "name": "closed",
}
"""What stands for each part of a path."""

Body = dict[str, Any] | list[Any] | bytes | Callable[[str], dict[str, Any]]

BODIES: dict[str, Body] = {
    "viewer.sql.run_sql": {"sql": "FROM train"},
    "viewer.edit.edit": {
        "config": "default",
        "split": "train",
        "changes": [{"row_idx": 0, "column": "text", "value": "x"}],
    },
    "api.repos.duplicate": lambda _name: {"repository": "stranger/copy"},
    "api.repos.settings": {"discussionsDisabled": False},
    "api.tree.find_paths": {"paths": ["README.md"]},
    "api.access_requests.handle": {"user": "stranger", "status": "accepted"},
    "api.access_requests.grant": {"user": "stranger"},
    "api.access_requests.batch": {"status": "accepted", "requests": [{"user": "stranger"}]},
    "api.refs.create_branch": {},
    "api.refs.create_tag": {"tag": "v1"},
    "api.refs.super_squash": {"message": "One"},
    "api.commits.commit": _ONE_FILE,
    "api.commits.preupload_files": {"files": [{"path": "a.txt", "size": 1, "sample": "YQ=="}]},
    "api.discussions.create": {"title": "Title", "description": "Words"},
    "api.discussions.comment": {"comment": "Words"},
    "api.discussions.rename": {"title": "Another"},
    "api.discussions.change_status": {"status": "closed"},
    "api.discussions.edit_comment": {"content": "Other words"},
    "api.discussions.pin": {"pinned": True},
    "api.discussions.lock": {"locked": True},
    "api.lfs_files.delete_lfs_files": {"deletions": {"sha": [_OID], "rewriteHistory": True}},
    "api.lfs_files.duplicate_lfs_files": {"target": {"type": "model", "name": "acme/open"}, "files": []},
    "api.resource_groups.set_of_repo": {"resourceGroupId": None},
    "api.accounts.post_token": {"displayName": "x", "role": "read"},
    "api.accounts.post_org": {"name": "another"},
    "api.accounts.put_role": {"role": "read"},
    "api.orgs.post_invite": {"user": "stranger", "role": "read"},
    "api.orgs.post_accept_link": {"token": "x"},
    "api.orgs.post_decline_link": {"token": "x"},
    "api.orgs.post_revoke": {"token": "hf_x"},
    "api.orgs.post_service_account": {"name": "robot"},
    "api.orgs.put_service_role": {"role": "read"},
    "api.orgs.post_service_token": {"displayName": "x", "role": "read"},
    "api.resource_groups.create": {"name": "group"},
    "api.resource_groups.add_users": {"users": [{"user": "stranger", "role": "read"}]},
    "api.resource_groups.change_user": {"role": "read"},
    "api.resource_groups.post_settings": {"autoJoin": {"enabled": False}},
    "api.repos.create": {"name": "new", "type": "model"},
    "api.repos.delete": {"name": "closed", "organization": "acme"},
    "api.repos.move": {"fromRepo": "acme/closed", "toRepo": "acme/other", "type": "model"},
    "api.second_factor.delete_factor": {"code": "000000"},
    "api.second_factor.post_confirm": {"code": "000000"},
    "api.second_factor.post_codes": {"code": "000000"},
    "api.account_life.rename_org": {"name": "other"},
    "api.account_life.close_org": {"confirm": "acme"},
    "api.announcement.put_announcement": {"text": "Maintenance at noon."},
    "api.moderation.post_report": {"reason": "spam", "type": "model", "repo": "acme/closed"},
    "api.collections.post_collection": {"title": "Mine", "namespace": "acme"},
    "api.collections.post_item": {"item": {"type": "model", "id": "acme/open"}},
    "api.collections.post_batch": [],
    "api.notifications.delete_notifications": {"discussionIds": ["0" * 24]},
    "api.notifications.mark_as_read": {"discussionIds": ["0" * 24]},
    "api.collections.post_resource_group": {"resourceGroupId": None},
    "api.follows.post_avatar": base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
    ),
    "oauth.applications.post_apps": {"name": "App", "redirectUris": ["https://example.org/"]},
    "oauth.applications.put_app": {"name": "App"},
    "api.publishers.post_publishers": {
        "issuer": "https://token.example.org",
        "subject": "repo:a/b:*",
        "role": "read",
    },
    "lfs.batch": {"operation": "download", "objects": [{"oid": _HASH, "size": 1}]},
    "lfs.verify": {"oid": _HASH, "size": 1},
    "lfs.create_lock": {"path": "a.bin"},
    "lfs.verify_locks": {},
    "lfs.unlock": {},
    "git.upload_pack": b"0000",
    "git.receive_pack": b"0000",
}
"""Bodies that are right, so that it is the policy that refuses."""

HEADERS = {
    "api.commits.commit": {"Content-Type": "application/x-ndjson"},
    "git.upload_pack": {"Content-Type": "application/x-git-upload-pack-request"},
    "git.receive_pack": {"Content-Type": "application/x-git-receive-pack-request"},
    "cas.fetch.get_bytes": {"Range": "bytes=0-9"},
}

NEEDS: dict[str, Need | None] = {
    "api.parquet.get_croissant": Need.READ,
    "api.parquet.get_parquet_file": Need.READ,
    "api.parquet.list_parquet": Need.READ,
    "pages.studio.views.get_embedded": Need.READ,
    "pages.studio.views.get_studio": Need.INFO,
    "viewer.summaries.get_compatible_libraries": Need.READ,
    "viewer.summaries.get_croissant_crumbs": Need.READ,
    "viewer.summaries.get_hub_cache": Need.READ,
    "viewer.summaries.get_info": Need.READ,
    "viewer.summaries.get_is_valid": Need.READ,
    "viewer.summaries.get_opt_in_out_urls": Need.READ,
    "viewer.summaries.get_parquet": Need.READ,
    "viewer.summaries.get_presidio_entities": Need.READ,
    "viewer.summaries.get_size": Need.READ,
    "viewer.summaries.get_splits": Need.READ,
    "viewer.search.search": Need.READ,
    "viewer.sql.list_views": Need.READ,
    "viewer.sql.run_sql": Need.READ,
    "viewer.diff.diff_rows": Need.READ,
    "viewer.edit.edit": Need.READ,
    "viewer.rows.get_first_rows": Need.READ,
    "viewer.rows.get_rows": Need.READ,
    "viewer.queries.get_filter": Need.READ,
    "viewer.queries.get_statistics": Need.READ,
    "viewer.assets.get_asset": Need.READ,
    "api.repos.duplicate": Need.READ,
    "api.repos.settings": Need.ADMIN,
    "api.repos.auth_check": Need.READ,
    "api.repos.auth_check_write": Need.WRITE,
    "api.info.get_info": Need.INFO,
    "api.lineage.get_lineage": Need.INFO,
    "api.leaderboard.get_leaderboard": Need.INFO,
    "api.tree.list_tree": Need.INFO,
    "api.tree.find_paths": Need.INFO,
    "api.tree.list_commits": Need.INFO,
    "api.tree.compare": Need.READ,
    "api.tree.measure_tree": Need.INFO,
    "api.tree.get_storage": Need.INFO,
    "api.weights.get_shard_headers": Need.READ,
    "api.likes.like": Need.DISCUSS,
    "api.likes.unlike": Need.DISCUSS,
    "api.likes.list_likers": Need.INFO,
    "api.access_requests.list_requests": Need.ADMIN,
    "api.access_requests.handle": Need.ADMIN,
    "api.access_requests.grant": Need.ADMIN,
    "api.access_requests.batch": Need.ADMIN,
    "api.access_requests.cancel": None,
    "api.refs.list_refs": Need.INFO,
    "api.refs.create_branch": Need.WRITE,
    "api.refs.delete_branch": Need.WRITE,
    "api.refs.create_tag": Need.WRITE,
    "api.refs.delete_tag": Need.WRITE,
    "api.refs.super_squash": Need.WRITE,
    "api.commits.commit": Need.WRITE,
    "api.commits.preupload_files": Need.PROPOSE,
    "api.discussions.list_discussions": Need.INFO,
    "api.discussions.create": Need.DISCUSS,
    "api.discussions.show": Need.INFO,
    "api.discussions.delete": Need.DISCUSS,
    "api.discussions.comment": Need.DISCUSS,
    "api.discussions.rename": Need.DISCUSS,
    "api.discussions.change_status": Need.DISCUSS,
    "api.discussions.edit_comment": Need.DISCUSS,
    "api.discussions.hide_comment": Need.DISCUSS,
    "api.discussions.pin": Need.MODERATE,
    "api.discussions.lock": Need.MODERATE,
    "api.pull_requests.merge": Need.WRITE,
    "api.pull_requests.show_patch": Need.READ,
    "api.pull_requests.list_files": Need.READ,
    "api.reviews.review_pull": Need.READ,
    "api.reviews.review_revisions": Need.READ,
    "api.lfs_files.list_lfs_files": Need.READ,
    "api.lfs_files.delete_lfs_files": Need.WRITE,
    "api.lfs_files.duplicate_lfs_files": Need.READ,
    "api.lfs_files.delete_lfs_file": Need.WRITE,
    "api.xet_tokens.get_read_token": Need.READ,
    "api.xet_tokens.get_write_token": Need.WRITE,
    "api.resource_groups.get_of_repo": None,
    "api.resource_groups.set_of_repo": Need.ADMIN,
    "api.publishers.get_publishers": Need.ADMIN,
    "api.publishers.post_publishers": Need.ADMIN,
    "api.publishers.delete_publisher": Need.ADMIN,
    "api.unbuilt._refuse_below_repo.<locals>.handler": Need.INFO,
    "resolve.get_content": Need.READ,
    "resolve.get_raw": Need.READ,
    "lfs.batch": Need.READ,
    "lfs.verify": Need.PROPOSE,
    "lfs.list_locks": Need.READ,
    "lfs.create_lock": Need.WRITE,
    "lfs.verify_locks": Need.READ,
    "lfs.unlock": Need.WRITE,
    "git.info_refs": None,
    "git.upload_pack": Need.READ,
    "git.receive_pack": Need.PROPOSE,
    "pages.repo.get_repo": Need.INFO,
    "pages.repo.post_like": Need.DISCUSS,
    "pages.repo.post_watch": None,
    "pages.files.tree.get_tree": Need.INFO,
    "pages.files.tree.get_find": Need.INFO,
    "pages.files.blob.get_blob": Need.INFO,
    "pages.files.history.get_commits": Need.INFO,
    "pages.files.history.get_blame": Need.READ,
    "pages.files.edit.get_edit": Need.PROPOSE,
    "pages.files.edit.post_edit": Need.PROPOSE,
    "pages.files.edit.get_new": Need.PROPOSE,
    "pages.files.edit.post_new": Need.PROPOSE,
    "pages.files.edit.get_delete": Need.PROPOSE,
    "pages.files.edit.post_delete": Need.PROPOSE,
    "pages.files.upload.get_upload": Need.PROPOSE,
    "pages.files.upload.post_upload": Need.PROPOSE,
    "pages.community.listing.get_list": Need.INFO,
    "pages.community.listing.get_new": None,
    "pages.community.listing.post_new": None,
    "pages.community.listing.post_preview": None,
    "pages.community.discussion.get_discussion": Need.INFO,
    "pages.community.discussion.post_discussion": None,
    "pages.community.discussion.get_commits": Need.INFO,
    "pages.community.discussion.get_files": Need.INFO,
    "pages.community.discussion.get_edit": None,
    "pages.community.discussion.post_edit": None,
    "pages.commits.views.get_commit": Need.INFO,
    "pages.commits.views.get_compare_form": Need.INFO,
    "pages.commits.views.get_compare": Need.INFO,
    "pages.repo_settings.general.get_settings": Need.ADMIN,
    "pages.repo_settings.general.post_settings": Need.ADMIN,
    "pages.repo_settings.access.get_access": Need.ADMIN,
    "pages.repo_settings.access.post_access": Need.ADMIN,
    "pages.repo_settings.refs.get_refs": Need.ADMIN,
    "pages.repo_settings.refs.post_refs": Need.ADMIN,
    "pages.repo_settings.storage.get_storage": Need.ADMIN,
    "pages.repo_settings.storage.post_storage": Need.ADMIN,
    "pages.repo_settings.publishers.get_publishers": Need.ADMIN,
    "pages.repo_settings.publishers.post_publishers": Need.ADMIN,
    "pages.feeds.get_commits": Need.INFO,
    "pages.feeds.get_discussions": Need.INFO,
    "pages.posters.get_repo": None,
    "pages.gate.get_ask": Need.INFO,
    "pages.gate.post_ask": None,
    "pages.gate.post_cancel": None,
    "pages.gate.get_report": Need.ADMIN,
}

_EVERYBODY = """
    pages.people.profile.get_profile pages.collections.lists.get_all pages.collections.lists.get_of_owner
    pages.collections.one.get_one
    api.accounts.post_revoke api.accounts.get_user_overview api.accounts.get_avatar
    api.accounts.get_org_overview api.accounts.get_members api.accounts.get_harnesses api.accounts.drop_telemetry
    api.repos.validate_yaml api.repos.list_templates api.repos.single_id api.lists.list_repos api.facets.count_facets
    api.likes.list_liked api.trending.list_trending api.search.quick_search api.search.search_texts
    api.search.search_spaces api.vocabularies.list_tags api.vocabularies.list_tasks api.vocabularies.list_metrics
    api.discussions.show_attachment api.collections.list_collections api.collections.get_collection
    api.follows.list_followers api.follows.list_following api.follows.list_user_activity api.follows.list_activity
    api.follows.list_orgs api.follows.get_picture api.unbuilt._refuse.<locals>.handler git.alias cas.telemetry.drop
    oauth.tokens.post_device oauth.tokens.post_token oauth.tokens.post_revoke oauth.identity.get_configuration
    oauth.identity.get_jwks oauth.applications.post_register health.get_health health.get_ready health.get_metrics
    pages.home.get_home pages.browse.get_models pages.browse.get_datasets pages.browse.get_spaces
    pages.search.get_search pages.account.get_login pages.account.post_login pages.account.post_logout
    pages.account.get_join pages.account.post_join pages.sso.get_start pages.sso.get_callback
    pages.second_factor.get_code pages.second_factor.post_code pages.static.get_static pages.static.get_avatar
    pages.mail.get_unsubscribe pages.mail.post_unsubscribe pages.mail.get_confirm pages.mail.post_confirm
    pages.style.get_style pages.style.post_language pages.api_docs.get_document pages.api_docs.get_docs
    pages.feeds.get_models pages.feeds.get_datasets pages.feeds.get_spaces
    pages.posters.get_hub pages.posters.get_account pages.posters.get_collection
    api.announcement.get_announcement pages.admin.announcement.post_dismiss
    pages.robots.get_robots pages.robots.get_index pages.robots.get_part
    pages.consent.get_authorize pages.consent.post_authorize pages.account.get_setup pages.account.post_setup
"""
_SIGNED_IN = """
    pages.people.profile.post_follow pages.collections.lists.get_new pages.collections.lists.post_new
    pages.collections.one.post_one pages.inbox.notices.get_inbox pages.inbox.notices.post_inbox
    pages.inbox.notices.get_watching pages.inbox.notices.post_watching
    api.accounts.get_whoami api.accounts.get_tokens api.accounts.post_token api.accounts.delete_token
    api.accounts.get_own_profile api.accounts.patch_own_profile api.accounts.post_org
    api.orgs.get_my_invitations api.orgs.post_accept_link api.orgs.post_decline_link api.orgs.post_accept
    api.orgs.post_decline api.repos.create api.repos.delete api.repos.move api.second_factor.get_state
    api.second_factor.post_enrol api.second_factor.delete_factor api.second_factor.post_confirm
    api.second_factor.post_codes api.second_factor.list_sessions api.second_factor.delete_other_sessions
    api.second_factor.delete_session api.account_life.rename_own api.account_life.close_own
    api.moderation.post_report api.discussions.attach api.webhooks.list_webhooks api.webhooks.create_webhook
    api.webhooks.get_webhook api.webhooks.update_webhook api.webhooks.delete_webhook api.webhooks.enable_webhook
    api.webhooks.disable_webhook api.webhooks.list_deliveries api.webhooks.get_delivery api.webhooks.replay
    api.collections.post_collection api.collections.patch_collection api.collections.delete_collection
    api.collections.post_item api.collections.post_batch api.collections.patch_item api.collections.delete_item
    api.collections.post_resource_group api.collections.post_vote api.collections.delete_vote
    api.notifications.list_notifications api.notifications.delete_notifications api.notifications.mark_as_read
    api.notifications.get_preferences api.notifications.patch_preferences api.notifications.post_confirmation
    api.notifications.get_watch api.notifications.patch_watch api.repos.list_storage api.follows.post_follow api.follows.delete_follow oauth.identity.get_userinfo oauth.applications.get_apps
    oauth.applications.post_apps oauth.applications.get_app oauth.applications.put_app
    oauth.applications.delete_app oauth.applications.post_app_secret oauth.applications.get_grants
    oauth.applications.delete_grant pages.account.get_device pages.account.post_device pages.settings.tokens.get_tokens
    pages.creating.get_new pages.creating.post_new
    pages.settings.tokens.post_tokens pages.settings.tokens.post_revoke pages.settings.account.get_account pages.settings.account.post_account
    pages.settings.account.post_password pages.settings.account.post_rename pages.settings.account.post_close pages.consent.post_again
    pages.applications.get_applications
    pages.applications.post_applications pages.applications.post_revoke pages.applications.get_application
    pages.applications.post_application pages.applications.post_secret pages.applications.post_delete
    pages.second_factor.get_home pages.second_factor.post_home pages.community.listing.post_markdown
    pages.settings.account.post_picture pages.settings.account.post_links pages.settings.account.get_password
    pages.settings.webhooks.get_webhooks pages.settings.webhooks.post_webhooks pages.settings.webhooks.get_webhook
    pages.settings.webhooks.post_webhook pages.settings.webhooks.get_delivery pages.settings.webhooks.post_delivery
    pages.settings.notices.get_notices pages.settings.notices.post_notices
    pages.settings.memberships.get_memberships pages.settings.memberships.post_memberships
    pages.settings.appearance.get_appearance pages.settings.appearance.post_appearance
    pages.org_settings.profile.get_new pages.org_settings.profile.post_new
"""
_ORG_ADMIN = """
    api.accounts.patch_org api.accounts.put_role api.accounts.delete_member api.orgs.post_invite
    api.orgs.get_invitations api.orgs.delete_invitation api.orgs.put_defaults
    api.orgs.put_policy api.orgs.get_requests api.orgs.post_decision api.orgs.post_revoke
    api.orgs.get_service_accounts api.orgs.post_service_account api.orgs.put_service_role
    api.orgs.delete_service_account api.orgs.get_service_tokens api.orgs.post_service_token
    api.orgs.delete_service_token api.resource_groups.create api.resource_groups.change
    api.resource_groups.delete api.resource_groups.add_users api.resource_groups.change_user
    api.resource_groups.remove_user api.resource_groups.post_settings api.audit.list_events api.audit.export
    api.account_life.rename_org api.account_life.close_org api.follows.post_avatar api.follows.post_socials
    pages.org_settings.profile.get_index pages.org_settings.profile.get_profile
    pages.org_settings.profile.post_profile pages.org_settings.profile.post_picture
    pages.org_settings.members.get_members pages.org_settings.members.post_members
    pages.org_settings.members.get_invitations pages.org_settings.members.post_invitations
    pages.org_settings.groups.get_groups pages.org_settings.groups.post_groups pages.org_settings.groups.get_group
    pages.org_settings.groups.post_group pages.org_settings.tokens.get_tokens pages.org_settings.tokens.post_tokens
    pages.org_settings.service_accounts.get_accounts pages.org_settings.service_accounts.post_accounts
    pages.org_settings.service_accounts.get_account pages.org_settings.service_accounts.post_account
    pages.org_settings.audit.get_audit
"""
_MEMBER = "api.orgs.get_defaults api.orgs.get_policy api.resource_groups.list_groups api.resource_groups.get api.resource_groups.list_users"
_HUB_ADMIN = """
    api.audit.verify api.moderation.list_reports api.moderation.post_act
    pages.admin.hub.get_overview pages.admin.hub.get_storage pages.admin.hub.get_settings pages.admin.hub.get_jobs
    pages.admin.hub.post_jobs pages.admin.users.get_users pages.admin.users.post_users pages.admin.users.get_user
    pages.admin.users.post_user pages.admin.users.get_orgs pages.admin.watch.get_repos pages.admin.watch.post_repos
    api.announcement.put_announcement api.announcement.delete_announcement
    pages.admin.announcement.get_announcement pages.admin.announcement.post_announcement
    pages.admin.watch.get_reports pages.admin.watch.post_reports pages.admin.watch.get_audit
"""
_SECRET = """
    objects.put_object objects.complete_object objects.get_object objects.put_part cas.xorbs.post_xorb
    cas.xorbs.head_xorb cas.shards.post_shard_v2 cas.shards.post_shard cas.chunks.get_chunk cas.grants.post_grant
    cas.grants.post_commit cas.reconstructions.get_v2 cas.reconstructions.get_v1 cas.reconstructions.get_batch
    cas.reconstructions.post_batch cas.reconstructions.head_file cas.reconstructions.get_chunk_hashes
    cas.fetch.get_bytes pages.invitations.get_invitation
    pages.invitations.post_invitation
"""

ELSEWHERE: dict[str, str] = {
    name: who
    for who, names in (
        ("everybody", _EVERYBODY),
        ("signed in", _SIGNED_IN),
        ("admin of acme", _ORG_ADMIN),
        ("member of acme", _MEMBER),
        ("hub admin", _HUB_ADMIN),
        ("secret", _SECRET),
    )
    for name in names.split()
}
"""Who may ask the routes that are not below a repository. ``secret``: who holds a signed link or token."""
