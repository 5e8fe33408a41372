"""kapi: an API platform in one Python package. Rooms and their order: docs/architecture.md."""

__version__ = "0.1.0"
