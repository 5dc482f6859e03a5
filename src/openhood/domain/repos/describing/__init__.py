"""How what a commit says of its repository is drawn from its files, one subject a file.

Pure functions over the bytes and names that `clues` gathered; the entrance is `repos.describe`.
"""
