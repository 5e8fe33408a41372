"""Requests that a person decides on another device (RFC 8628, OpenID Connect CIBA Core)."""
