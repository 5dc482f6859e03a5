"""Openhood: the open hub for machine learning that anyone can run.

The package holds the server and its command line; nothing here is a client library.
"""

__version__ = "0.1.0"
