"""Policies about the messages themselves: their path, size and faults for tests."""
