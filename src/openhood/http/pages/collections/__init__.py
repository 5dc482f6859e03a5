"""The pages of collections: lists of them, one with its items, and changing it."""
