"""The engine of one machine: one SQLite file in WAL mode."""
