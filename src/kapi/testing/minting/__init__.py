"""Mints any token: named recipes, and free header, claims and key."""
