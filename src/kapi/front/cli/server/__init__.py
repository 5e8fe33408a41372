"""The platform that commands call: one in a data directory here, or one behind a URL."""
