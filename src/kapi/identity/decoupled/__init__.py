"""Requests that a person answers on another device (RFC 8628, OpenID Connect CIBA Core)."""
