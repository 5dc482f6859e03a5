"""Every route of the hub in one readable list, by noun. A module per noun holds its handlers."""

from __future__ import annotations

import importlib

from openhood.http.router import Route

# Imported by name so that this list is the only place to look; each module has `ROUTES`.
MODULES = (
    "openhood.http.api.accounts",
    "openhood.http.api.repos",
    "openhood.http.api.info",
    "openhood.http.api.lists",
    "openhood.http.api.facets",
    "openhood.http.api.lineage",
    "openhood.http.api.leaderboard",
    "openhood.http.api.tree",
    "openhood.http.api.weights",
    "openhood.http.api.likes",
    "openhood.http.api.trending",
    "openhood.http.api.search",
    "openhood.http.api.vocabularies",
    "openhood.http.api.refs",
    "openhood.http.api.commits",
    "openhood.http.api.pulls",
    "openhood.http.api.lfs_files",
    "openhood.http.api.xet_tokens",
    "openhood.http.api.unbuilt",
    "openhood.http.resolve",
    "openhood.http.objects",
    "openhood.http.lfs",
    "openhood.http.git",
    "openhood.http.cas.telemetry",
    "openhood.http.cas.xorbs",
    "openhood.http.cas.shards",
    "openhood.http.cas.chunks",
    "openhood.http.cas.grants",
    "openhood.http.cas.reconstructions",
    "openhood.http.cas.fetch",
    "openhood.http.oauth",
    "openhood.http.health",
    "openhood.http.pages.account",
    "openhood.http.pages.repo",
    "openhood.http.pages.static",
)

ROUTES: tuple[Route, ...] = tuple(route for name in MODULES for route in importlib.import_module(name).ROUTES)
