"""Webhooks: whom to tell what happened, and telling them until they have heard."""
