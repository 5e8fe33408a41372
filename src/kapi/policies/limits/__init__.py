"""Policies that limit the number of calls of an operation or API."""
