"""Formats of files people keep in repositories, read safely from bytes nobody vouches for."""
