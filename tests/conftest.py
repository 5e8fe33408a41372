"""For all tests: a machine that is busy must not fail a property, so no example has a time limit."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("kapi", deadline=None)
settings.load_profile("kapi")
