"""Registration of clients (RFC 7591, RFC 7592)."""
