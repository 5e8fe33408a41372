"""The keys that tokens are bound to: DPoP keys and client certificates (RFC 9449, RFC 8705)."""
