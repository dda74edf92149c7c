"""How many examples a property is tried with: the quick suite takes a quarter of what the thorough run takes."""

from __future__ import annotations

from hypothesis import settings

THOROUGH = 100
QUICK = THOROUGH // 4
FEWEST = 10


def register_profiles() -> None:
    """The quick one is loaded; `--hypothesis-profile=thorough` asks for the other."""
    settings.register_profile("suite", deadline=None, database=None, derandomize=True, max_examples=QUICK)
    settings.register_profile("thorough", settings.get_profile("suite"), max_examples=THOROUGH)
    settings.load_profile("suite")


def examples(thorough: int) -> settings:
    """For a property that wants another number of them, which is the one of the thorough run."""
    share = settings.get_profile(settings.get_current_profile_name()).max_examples / THOROUGH
    return settings(max_examples=max(FEWEST, round(thorough * share)))
