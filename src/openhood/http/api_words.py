"""Words of the description of the API that stand nowhere in the code: groups, parts of paths, a few summaries.

What can be read from the handlers is not repeated here: see `openapi` and `api_reading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that stand together: a short key for tags and anchors, a title and a sentence."""

    key: str
    title: str
    about: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a path: the name it is published under, what it is, and one that could stand there."""

    name: str
    about: str
    example: str


GROUPS = (
    Group("repositories", "Repositories", "Creating, listing, describing, moving and deleting repositories."),
    Group("files", "Files", "Trees, file contents, sizes, and the headers of weights."),
    Group("commits", "Commits and refs", "Uploading by commits; history, branches, tags and comparisons."),
    Group(
        "discussions", "Discussions and pull requests", "Talking about a repository and proposing changes."
    ),
    Group("access", "Access requests", "Gated repositories: who asked, and who may read."),
    Group("search", "Search", "Finding repositories by name, text, tag, popularity and relation."),
    Group(
        "viewer",
        "Dataset viewer",
        "Rows, search, conditions, statistics, SQL and edits of datasets, in place.",
    ),
    Group("collections", "Collections", "Lists of repositories that somebody put together."),
    Group("community", "Likes, follows and activity", "Likes, followers, pictures and what happened lately."),
    Group("account", "Your account", "Profile, tokens, sessions, second factor, watching and notifications."),
    Group(
        "organizations",
        "Organizations",
        "Members, invitations, policies, resource groups and service accounts.",
    ),
    Group("webhooks", "Webhooks", "Having other servers told what happens."),
    Group("signing-in", "Signing in to programs", "OAuth 2.0, OpenID Connect and trusted publishers."),
    Group("administration", "Administration", "Reports, the audit log and the health of this hub."),
)

GROUP_OF: Mapping[str, str] = {
    "resolve": "files",
    "health": "administration",
    "oauth.tokens": "signing-in",
    "oauth.identity": "signing-in",
    "oauth.applications": "signing-in",
    "api.publishers": "signing-in",
    "api.accounts": "account",
    "api.second_factor": "account",
    "api.account_life": "account",
    "api.notifications": "account",
    "api.orgs": "organizations",
    "api.resource_groups": "organizations",
    "api.audit": "administration",
    "api.moderation": "administration",
    "api.announcement": "administration",
    "api.repos": "repositories",
    "api.info": "repositories",
    "api.lists": "repositories",
    "api.vocabularies": "search",
    "api.facets": "search",
    "api.search": "search",
    "api.trending": "search",
    "api.lineage": "search",
    "api.leaderboard": "search",
    "api.tree": "files",
    "api.weights": "files",
    "api.lfs_files": "files",
    "api.xet_tokens": "files",
    "api.refs": "commits",
    "api.commits": "commits",
    "api.discussions": "discussions",
    "api.pull_requests": "discussions",
    "api.reviews": "discussions",
    "api.access_requests": "access",
    "api.likes": "community",
    "api.follows": "community",
    "api.collections": "collections",
    "api.webhooks": "webhooks",
    "api.parquet": "viewer",
    "viewer.rows": "viewer",
    "viewer.search": "viewer",
    "viewer.queries": "viewer",
    "viewer.summaries": "viewer",
    "viewer.sql": "viewer",
    "viewer.diff": "viewer",
    "viewer.edit": "viewer",
}
"""The group of each module whose routes are described. All others are pages, or protocols of git, LFS and Xet."""

REGROUPED: Mapping[str, str] = {
    "/api/organizations/{o}": "organizations",
    "/api/organizations": "organizations",
}
"""What belongs to another group than the rest of its module, by the beginning of the path; audit logs do not."""

PARTS: Mapping[str, Part] = {
    "type": Part("type", "Plural of the repository's type.", "models"),
    "ns": Part("namespace", "User or organization that owns it.", "acme"),
    "name": Part("name", "Name of the repository within its namespace.", "tiny-bert"),
    "rev": Part("revision", "Branch, tag, commit or `refs/pr/N`, with slashes as `%2F`.", "main"),
    "path": Part("path", "Path in the repository; slashes stand as they are.", "config.json"),
    "spec": Part("range", "Two revisions with `..` or `...` between them.", "main..refs%2Fpr%2F1"),
    "number": Part("number", "Number of the discussion or pull request.", "1"),
    "comment": Part("comment", "Id of the comment.", "65f0c0ffee65f0c0ffee65f0"),
    "status": Part("status", "`pending`, `accepted` or `rejected`.", "pending"),
    "config": Part("config", "Config of the dataset.", "default"),
    "split": Part("split", "Split of the config.", "train"),
    "shard": Part("shard", "Number of the Parquet file within its split, from 0.", "0"),
    "sha": Part("sha", "`fileOid` or SHA-256 of the file.", "0" * 40),
    "publisher": Part("publisher", "Id of the trusted publisher.", "65f0c0ffee65f0c0ffee65f0"),
    "u": Part("user", "Name of the user.", "alice"),
    "o": Part("organization", "Name of the organization.", "acme"),
    "token": Part("token", "Id of the token.", "65f0c0ffee65f0c0ffee65f0"),
    "id": Part("id", "Id of the invitation.", "65f0c0ffee65f0c0ffee65f0"),
    "gid": Part("group", "Id of the resource group.", "65f0c0ffee65f0c0ffee65f0"),
    "session": Part("session", "Id of the session.", "65f0c0ffee65f0c0ffee65f0"),
    "report": Part("report", "Id of the report.", "65f0c0ffee65f0c0ffee65f0"),
    "decision": Part("decision", "What is to become of it.", "approve"),
    "w": Part("webhook", "Id of the webhook.", "65f0c0ffee65f0c0ffee65f0"),
    "log": Part("delivery", "Id of the delivery.", "65f0c0ffee65f0c0ffee65f0"),
    "slug": Part(
        "slug", "Title and id of the collection, as in its address.", "favourites-65f0c0ffee65f0c0ffee65f0"
    ),
    "item": Part("item", "Id of the item in the collection.", "65f0c0ffee65f0c0ffee65f0"),
    "client": Part("client", "Id of the program.", "3f1c0a52-8c1b-4b0e-9a55-1d2b7a9c5f10"),
    "file": Part("file", "Name of the attachment.", "0" * 32 + ".png"),
    "account": Part("account", "Id of the account.", "65f0c0ffee65f0c0ffee65f0"),
}

SUMMARIES: Mapping[str, str] = {
    "viewer.search.search": "Answer with a page of the rows that hold some words, best first.",
    "viewer.sql.list_views": "Answer with the views that a statement of the SQL console may name.",
    "viewer.sql.run_sql": "Run a statement of SQL over the splits of datasets.",
    "viewer.edit.edit": "Change cells, add and delete rows of a split, by a commit or a pull request.",
    "api.collections.post_collection": "Create a collection; 409 tells the `slug` of one that is there already.",
    "api.tree.find_paths": "Tell what is at some paths of a repository.",
    "api.tree.compare": "Answer with the difference of two revisions, or with `git diff --raw`.",
    "api.repos.settings": "Change visibility, gate and other settings of a repository; answers with the keys it changed.",
    "api.repos.list_templates": "List templates for new spaces: this hub has none.",
    "api.repos.validate_yaml": "Say what is wrong with a card; as text where the client wants text.",
    "api.repos.auth_check": "Say whether the caller may read the files of a repository.",
    "api.repos.auth_check_write": "Say whether the caller may commit to a repository.",
    "api.info.get_info": "Answer with a repository at a revision, or at main.",
    "api.tree.list_tree": "List a folder of a repository, page by page.",
    "api.tree.list_commits": "List the commits of a revision, the newest first.",
    "api.tree.measure_tree": "Answer with the bytes of all content below a path.",
    "api.tree.get_storage": "Answer with what a repository takes in the object store.",
    "api.commits.commit": "Commit files to a branch: NDJSON, or one JSON document as old clients send it.",
    "resolve.get_content": "Answer with the content of a file at a revision.",
    "resolve.get_raw": "Answer with a file as git holds it; for a large file that is the pointer's text.",
    "api.orgs.post_accept": "Accept an invitation.",
    "api.orgs.post_decline": "Decline an invitation.",
    "api.orgs.get_defaults": "Answer with what new repositories and members of an organization begin with; for members.",
    "api.orgs.put_defaults": "Change what new repositories and members of an organization begin with.",
    "api.orgs.get_policy": "Answer with what an organization asks of its members' tokens; for members.",
    "api.orgs.put_policy": "Change what an organization asks of its members' tokens.",
    "api.orgs.post_decision": "Approve, deny or revoke a member's fine-grained token.",
    "api.orgs.get_service_accounts": "List an organization's service accounts.",
    "api.orgs.post_service_account": "Create a service account.",
    "api.orgs.put_service_role": "Change a service account's role.",
    "api.orgs.delete_service_account": "Delete a service account and its tokens.",
    "api.orgs.get_service_tokens": "List a service account's tokens, without their secrets.",
    "api.orgs.delete_service_token": "Revoke one of a service account's tokens.",
    "api.resource_groups.create": "Create a resource group.",
    "api.resource_groups.get": "Answer with one resource group.",
    "api.resource_groups.change": "Change a resource group's name or description.",
    "api.resource_groups.delete": "Delete a resource group; its repositories stay in the organization.",
    "api.resource_groups.add_users": "Add members of the organization to a resource group.",
    "api.resource_groups.change_user": "Change a member's role in a resource group.",
    "api.resource_groups.remove_user": "Remove a member from a resource group.",
    "api.resource_groups.post_settings": "Change who joins a resource group by itself.",
    "api.resource_groups.get_of_repo": "Answer with the resource group that a repository is in.",
    "api.resource_groups.set_of_repo": "Put a repository into a resource group, or take it out.",
    "api.repos.create": "Create a repository.",
    "api.repos.delete": "Delete a repository, named in a JSON body.",
    "api.repos.move": "Rename a repository, or move it to another namespace.",
    "api.repos.duplicate": "Copy a repository into another, without copying its large files.",
    "api.repos.list_storage": "List repositories of a namespace with the storage that each uses.",
    "api.likes.like": "Like a repository.",
    "api.likes.unlike": "Like a repository no more.",
    "api.access_requests.list_requests": "List requests for access, the newest first.",
    "api.access_requests.handle": "Accept or reject a request for access.",
    "api.access_requests.grant": "Give a user access that nobody asked for.",
    "api.second_factor.delete_factor": "Switch the second factor off, with a last code.",
    "api.account_life.rename_own": "Rename the caller's account; old addresses lead to the new ones.",
    "api.account_life.close_own": "Close the caller's account.",
    "api.account_life.rename_org": "Rename an organization; old addresses lead to the new ones.",
    "api.account_life.close_org": "Close an organization.",
    "api.refs.list_refs": "List branches and tags, and pull requests on request.",
    "api.refs.create_branch": "Create a branch.",
    "api.refs.delete_branch": "Delete a branch.",
    "api.refs.create_tag": "Create a tag at a revision.",
    "api.refs.delete_tag": "Delete a tag.",
    "api.refs.super_squash": "Replace the history of a branch by one commit.",
    "api.commits.preupload_files": "Say of each file to be uploaded whether it is to be regular or large.",
    "api.discussions.delete": "Delete a discussion.",
    "api.discussions.comment": "Comment on a discussion or pull request.",
    "api.discussions.rename": "Change the title of a discussion.",
    "api.discussions.change_status": "Close a discussion, or open it again.",
    "api.discussions.edit_comment": "Change a comment; its earlier words stay in its history.",
    "api.discussions.hide_comment": "Hide a comment.",
    "api.discussions.pin": "Pin a discussion to the top of the list, or unpin it.",
    "api.discussions.lock": "Keep others from commenting on a discussion, or let them again.",
    "api.xet_tokens.get_read_token": "Answer with a short-lived token for reading chunks, and where to use it.",
    "api.xet_tokens.get_write_token": "Answer with a short-lived token for writing chunks; with `create_pr=1` for whoever may only propose.",
    "api.orgs.delete_invitation": "Take an invitation back.",
    "api.webhooks.list_webhooks": "List the caller's webhooks.",
    "api.webhooks.get_webhook": "Answer with one webhook.",
    "api.webhooks.delete_webhook": "Delete a webhook and its log.",
    "api.webhooks.enable_webhook": "Switch a webhook on.",
    "api.webhooks.disable_webhook": "Switch a webhook off.",
    "api.collections.get_collection": "Answer with a collection and its items; 307 where the title has changed since.",
    "api.collections.delete_collection": "Delete a collection.",
    "api.collections.post_item": "Add an item to a collection; 409 where it is there already.",
    "api.collections.delete_item": "Remove an item from a collection.",
    "api.collections.post_vote": "Vote for a collection.",
    "api.collections.delete_vote": "Take a vote for a collection back.",
    "api.follows.post_follow": "Follow an account.",
    "api.follows.delete_follow": "Follow an account no more.",
    "api.follows.list_followers": "List who follows an account, page by page.",
    "api.notifications.get_preferences": "Answer with what the caller wants to be told, and how often by mail.",
    "api.notifications.patch_preferences": "Change what the caller wants to be told, and how often by mail.",
    "oauth.identity.get_configuration": "Answer with the discovery document of OAuth 2.0 and OpenID Connect.",
}
"""Summaries of handlers whose docstrings say only where they are asked."""

QUERY: Mapping[str, str] = {
    "limit": "Most items in one answer.",
    "cursor": "Where the list goes on: taken from the `Link` header of the answer before.",
    "p": "Number of the page, counted from 0.",
    "search": "Words that must occur.",
    "q": "What is looked for.",
    "sort": "Key to sort by.",
    "direction": "`-1` descending, `1` ascending.",
    "author": "Only what belongs to this user or organization.",
    "expand": "More to be told of each item.",
    "full": "Tell everything that is known of each item.",
    "filter": "Tags that must all be there.",
    "create_pr": "Open a pull request instead of changing the branch.",
    "recursive": "Also what is in folders below.",
    "redirect": "Go there instead of saying where it is.",
    "blobs": "Also sizes and hashes of the files.",
    "diff": "Also what the pull request changes.",
    "pipeline_tag": "Only models for this task.",
    "num_parameters": "Bounds such as `min:6B,max:128B`.",
    "gated": "Only repositories that have a gate, or none.",
    "type": "Only this type.",
    "linked": "Only spaces that use any model or dataset.",
    "apps": "Only models that run in one of these programs.",
    "inference": "`warm`, `cold` or `frozen`: this hub serves none.",
    "inference_provider": "Only models that a provider serves: this hub has none.",
    "models": "Only spaces that use these models.",
    "datasets": "Only spaces that use these datasets.",
    "raw": "As `git diff --raw` says it.",
    "rewriteHistory": "Also rewrite the history in which the file is.",
    "state": "Only what is in this state.",
    "status": "Only what is in this state.",
    "revision": "Branch, tag, commit or `refs/pr/N`; `main` where it is left out.",
    "config": "Config of the dataset.",
    "split": "Split of the config.",
    "offset": "Number of the first row, counted from 0.",
    "length": "Most rows in one answer, 100 at most.",
    "columns": "Only these columns; may be repeated.",
    "query": "Words to be found in the rows.",
    "where": 'Condition that rows must meet, such as `"score">7 AND "genre"=\'drama\'`.',
    "orderby": 'Column to sort by, such as `"score" DESC`.',
    "base": "Revision to compare with.",
    "key": "Columns that name a row, separated by commas; `none` compares rows by content.",
}
"""What parameters of the query mean that mean the same everywhere."""

READ_BY_ANYBODY_IF_POSTED = ("/api/quicksearch", "/api/validate-yaml", "/api/credentials/revoke", "/oauth/")
"""Beginnings of paths to which anybody may post."""

QUESTIONS = ("/paths-info/", "/viewer/sql")
"""What is in paths that are posted to only to ask for something long."""

PERSONAL = (
    "/api/settings/",
    "/api/notifications",
    "/api/whoami-v2",
    "/api/audit-log",
    "/api/reports",
    "/api/organizations/{o}/settings",
    "/api/organizations/{o}/invitations",
    "/api/organizations/{o}/service-accounts",
    "/api/organizations/{o}/resource-groups",
    "/api/organizations/{o}/audit-log",
    "/oauth/userinfo",
)
"""Beginnings of paths that nobody reads without signing in."""

ABOUT = """\
The API of this hub: the Hugging Face Hub's own addresses, headers and answers, so that `huggingface_hub`, `transformers`,
`datasets` and the others work with `HF_ENDPOINT` set to the hub's address, and what this hub adds to them.

Sign in with an access token in `Authorization: Bearer hf_…`. What the caller may not know of answers 404.
Errors carry a sentence in `X-Error-Message`, a code in `X-Error-Code` where there is one, and the number of the
request in `X-Request-Id`. Lists go on at the address in the `Link` header with `rel="next"`."""
