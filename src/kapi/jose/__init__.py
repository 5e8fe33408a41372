"""JOSE, once: strict decoding, signing, verifying, JWKs and key generation (RFC 7515, RFC 7517, RFC 7518, RFC 7519). Pure."""
