"""Trusted issuers: presets, declarations, their current keys, verification of their tokens."""
