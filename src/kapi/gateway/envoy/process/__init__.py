"""Envoy as a child process: its bootstrap, its check of a configuration, its certificate."""
