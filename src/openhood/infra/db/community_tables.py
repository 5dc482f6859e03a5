"""The tables of working together: what happened, discussions, inboxes, collections, gates and webhooks."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from openhood.infra.db.columns import Document, Id, Moment, make_id, metadata, refer

# --- what happened ---------------------------------------------------------------------------

events = Table(
    "events",  # written in the unit of what happened; a job spreads it to webhooks, inboxes and feeds
    metadata,
    make_id(),
    Column("at", Moment, nullable=False),
    Column("kind", String(40), nullable=False),  # see `domain.events.KINDS`
    Column("actor_id", Id),  # the account may be gone
    Column("owner_id", Id, nullable=False),
    Column("repo_id", Id),  # the repository may be gone
    Column("is_private", Boolean, nullable=False, server_default=false()),
    Column("facts", Document, nullable=False, server_default="{}"),
    Index("ix_events_owner_id_at", "owner_id", "at"),
    Index("ix_events_actor_id_at", "actor_id", "at"),
    Index("ix_events_repo_id_at", "repo_id", "at"),
    Index("ix_events_at", "at"),
    sqlite_autoincrement=True,
)

# --- discussions -----------------------------------------------------------------------------

discussion_events = Table(
    "discussion_events",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("discussion_id", "discussions.id"),
    Column("kind", String(20), nullable=False),  # comment | status-change | title-change | commit | …
    Column("author_id", Id, ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("created_at", Moment, nullable=False),
    Column("body", Text),  # of a comment: its Markdown
    Column("html", Text),  # made of it when it was written, by the rules of `html_version`
    Column("html_version", Integer),
    Column("edited_at", Moment),
    Column("hidden_at", Moment),
    Column("hidden_by", Id),
    Column("facts", Document, nullable=False, server_default="{}"),
    Index("ix_discussion_events_discussion_id_id", "discussion_id", "id"),
    Index("ix_discussion_events_author_id", "author_id"),
)

comment_versions = Table(
    "comment_versions",  # what a comment said before each edit
    metadata,
    refer("event_id", "discussion_events.id", primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("author_id", Id),
    Column("written_at", Moment, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    make_id(),
    Column("hex_id", String(32), nullable=False, unique=True),
    Column("owner_id", Id, ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("media_type", String(60), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("key", String(200), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_attachments_owner_id_created_at", "owner_id", "created_at"),
)

reviews = Table(
    "reviews",  # what a change means for one file, found by a job, by content: it never changes
    metadata,
    make_id(),
    refer("repo_id", "repos.id"),
    Column("kind", String(20), nullable=False),  # the format: safetensors, settings, csv …
    Column("old_key", String(64), nullable=False),  # sha256 or blob oid; "" where the file is new
    Column("new_key", String(64), nullable=False),
    Column("version", Integer, nullable=False),  # of the rules that made it
    Column("state", String(12), nullable=False),  # waiting | done | failed
    Column("result", Document),
    Column("error", String(500)),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("repo_id", "kind", "old_key", "new_key"),
    Index("ix_reviews_repo_id_state", "repo_id", "state"),
    Index("ix_reviews_updated_at", "updated_at"),
)

# --- inboxes ---------------------------------------------------------------------------------

watches = Table(
    "watches",
    metadata,
    refer("user_id", "accounts.id", primary_key=True),
    Column("kind", String(12), primary_key=True),  # account | repo | discussion
    Column("subject_id", Id, primary_key=True, autoincrement=False),
    Column("is_muted", Boolean, nullable=False, server_default=false()),
    Column("created_at", Moment, nullable=False),
    Index("ix_watches_kind_subject_id", "kind", "subject_id"),
)

notices = Table(
    "notices",  # one line of somebody's inbox: a thread, brought up again by each event in it
    metadata,
    make_id(),
    refer("user_id", "accounts.id"),
    Column("thread", String(80), nullable=False),  # discussion:12, repo:7:access, org:3:invite …
    Column("reason", String(20), nullable=False),  # mention | participating | watching | request | …
    Column("has_mention", Boolean, nullable=False, server_default=false()),
    Column("repo_id", Id, ForeignKey("repos.id", ondelete="CASCADE")),
    Column("discussion_id", Id, ForeignKey("discussions.id", ondelete="CASCADE")),
    Column("actor_id", Id),
    Column("facts", Document, nullable=False, server_default="{}"),
    Column("event_id", Id, nullable=False),  # the newest
    Column("updated_at", Moment, nullable=False),
    Column("read_at", Moment),
    Column("mailed_at", Moment),
    UniqueConstraint("user_id", "thread"),
    Index("ix_notices_user_id_updated_at", "user_id", "updated_at", "id"),
    Index(
        "ix_notices_unread",
        "user_id",
        "updated_at",
        sqlite_where=text("read_at IS NULL"),
        postgresql_where=text("read_at IS NULL"),
    ),
    Index("ix_notices_discussion_id", "discussion_id"),
    Index("ix_notices_repo_id", "repo_id"),
)

# --- people and what they keep ---------------------------------------------------------------

follows = Table(
    "follows",
    metadata,
    refer("follower_id", "accounts.id", primary_key=True),
    refer("followed_id", "accounts.id", primary_key=True),
    Column("created_at", Moment, nullable=False),
    Index("ix_follows_followed_id_created_at", "followed_id", "created_at"),
)

collections = Table(
    "collections",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("owner_id", "accounts.id"),
    Column("title", String(60), nullable=False),
    Column("title_slug", String(80), nullable=False),
    Column("description", String(150), nullable=False, server_default=""),
    Column("theme", String(12), nullable=False, server_default="blue"),
    Column("is_private", Boolean, nullable=False, server_default=false()),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("upvotes", Integer, nullable=False, server_default="0"),
    Column("trending_score", Integer, nullable=False, server_default="0"),  # votes of the last 30 days
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("resource_group_id", Id, ForeignKey("resource_groups.id", ondelete="SET NULL")),
    Index("ix_collections_owner_id_updated_at", "owner_id", "updated_at"),
    Index("ix_collections_updated_at", "updated_at", "id"),
    Index("ix_collections_upvotes", "upvotes", "id"),
    Index("ix_collections_trending_score", "trending_score", "id"),
)

collection_items = Table(
    "collection_items",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("collection_id", "collections.id"),
    Column("kind", String(12), nullable=False),  # model | dataset | space | collection | paper | bucket
    Column("repo_id", Id, ForeignKey("repos.id", ondelete="CASCADE")),
    Column("member_id", Id, ForeignKey("collections.id", ondelete="CASCADE")),  # of a nested collection
    Column("name", String(200)),  # of what is not kept here (a paper)
    Column("note", String(500)),
    Column("position", Integer, nullable=False),
    Column("added_by", Id),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("collection_id", "kind", "repo_id", "member_id", "name"),
    Index("ix_collection_items_repo_id", "repo_id"),
    Index("ix_collection_items_member_id", "member_id"),
    Index("ix_collection_items_name", "name"),
    Index("ix_collection_items_collection_id_position", "collection_id", "position"),
)

collection_votes = Table(
    "collection_votes",
    metadata,
    refer("collection_id", "collections.id", primary_key=True),
    refer("user_id", "accounts.id", primary_key=True),
    Column("created_at", Moment, nullable=False),
    Index("ix_collection_votes_user_id", "user_id"),
)

# --- gates -----------------------------------------------------------------------------------

access_requests = Table(
    "access_requests",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("repo_id", "repos.id"),
    # A user who asks for themselves, or an organization whose administrator asks for all its members.
    refer("account_id", "accounts.id"),
    Column("asked_by", Id),
    Column("status", String(12), nullable=False),  # pending | accepted | rejected
    Column("fields", Document, nullable=False, server_default="{}"),
    Column("requested_at", Moment, nullable=False),
    Column("reviewed_at", Moment),
    Column("reviewed_by", Id),
    Column("reason", String(200)),
    UniqueConstraint("repo_id", "account_id"),
    Index("ix_access_requests_account_id", "account_id"),
    Index("ix_access_requests_repo_id_status_requested_at", "repo_id", "status", "requested_at"),
)

# --- webhooks --------------------------------------------------------------------------------

webhooks = Table(
    "webhooks",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("owner_id", "accounts.id"),
    Column("url", String(2000)),
    Column("watched", Document, nullable=False, server_default="[]"),  # [kind, number, type, name], in order
    Column("domains", Document, nullable=False, server_default="[]"),
    Column("secret", String(500)),  # sealed with the hub's secret key
    Column("base_url", String(300), nullable=False),  # the hub's address as its owner wrote it
    Column("is_enabled", Boolean, nullable=False, server_default=true()),
    Column("disabled_reason", String(300)),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row, over attempts
    Column("failing_since", Moment),
    Column("paused_until", Moment),  # nobody answered: all its deliveries wait
    Column("busy_until", Moment),  # a delivery is on its way; past: whoever sent it died
    Column("slow_until", Moment),  # its deliveries wait apart from those of others
    Column("window_at", Moment),  # the beginning of the day in which `window_count` were delivered
    Column("window_count", Integer, nullable=False, server_default="0"),
    Column("limited_at", Moment),  # the last event not delivered since the limit of the day was reached
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_webhooks_owner_id", "owner_id"),
)

webhook_watches = Table(
    "webhook_watches",
    metadata,
    refer("webhook_id", "webhooks.id", primary_key=True),
    Column("kind", String(8), primary_key=True),  # owner | repo
    Column("subject_id", Id, primary_key=True, autoincrement=False),
    Index("ix_webhook_watches_kind_subject_id", "kind", "subject_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("webhook_id", "webhooks.id"),
    Column("event_id", Id, nullable=False),
    Column("replay_of", String(24), nullable=False, server_default=""),
    Column("payload", Document, nullable=False),
    Column("state", String(12), nullable=False),  # waiting | delivered | failed
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("status_code", Integer),
    Column("duration_ms", Integer),
    Column("answer", String(2000)),  # the beginning of what the receiver said, or why it was not reached
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index(
        "ix_webhook_deliveries_event",  # an event is spread again where the job died half-way
        "webhook_id",
        "event_id",
        unique=True,
        sqlite_where=text("replay_of = ''"),
        postgresql_where=text("replay_of = ''"),
    ),
    Index(
        "ix_webhook_deliveries_waiting",
        "webhook_id",
        "due_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    Index("ix_webhook_deliveries_created_at", "created_at"),
)

# --- moderation ------------------------------------------------------------------------------

reports = Table(
    "reports",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    Column("reporter_id", Id, ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("repo_id", Id, ForeignKey("repos.id", ondelete="CASCADE")),
    Column("discussion_event_id", Id, ForeignKey("discussion_events.id", ondelete="CASCADE")),
    Column("account_id", Id, ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("reason", String(40), nullable=False),
    Column("words", String(2000), nullable=False, server_default=""),
    Column("state", String(12), nullable=False),  # open | acted | dismissed
    Column("handled_by", Id),
    Column("handled_at", Moment),
    Column("answer", String(500)),
    Column("created_at", Moment, nullable=False),
    Index("ix_reports_state_created_at", "state", "created_at"),
)
