"""Envoy's rules about claims of the caller's token. Used by policies."""
