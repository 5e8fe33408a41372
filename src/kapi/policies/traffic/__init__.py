"""Policies about the messages themselves: their path, size, backend and faults for tests."""
