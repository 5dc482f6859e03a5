"""Provision files: a hub described in one document, applied as often as one likes.

`document` is what a file may say, `apply` brings a hub there; `accounts`, `repositories` and `folder` do one
noun each. Everything changes through the ordinary actions, as the administrator `SYSTEM`.
"""
