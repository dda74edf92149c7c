"""One look at the node of a running session: observe, judge, act."""

__version__ = "0.1.0"
"""As pyproject.toml has it; the packaging metadata costs a tick more to read than all of its state."""
