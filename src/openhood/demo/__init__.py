"""Believable content for a hub that shall show what it can do: people, repositories with real files, and their talk."""
