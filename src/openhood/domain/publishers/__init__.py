"""Trusted publishers: workloads of CI systems that get short-lived tokens for their own identity tokens."""
