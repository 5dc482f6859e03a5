"""Telling people: their inboxes, what they watch and want to hear of, and letters."""
