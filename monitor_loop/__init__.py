"""The session and the life of its node: find, build, launch, stop."""

__version__ = "0.1.0"
"""pyproject.toml reads it from here; to ask the packaging metadata costs more than a whole `--version`."""
