"""JOSE: reads and writes JWTs and JWKs (RFC 7515, RFC 7517, RFC 7518, RFC 7519). Pure.

- `base64url`: strict encoding and decoding
- `algorithms`: signature algorithms, by key type and curve
- `jwk`: public keys as JWKs, and thumbprints
- `jwk_set`: the keys of a JWK Set that may verify signatures
- `signing_keys`: key pairs that sign
- `compact`: the compact serialization of a JWS
- `jwt`: checks of JWTs: header, signature, times
- `claim_names`: where a claim may be, by the name that settings give it
- `token_kinds`: the rule that tells access tokens from other JWTs

Nothing else decodes base64url of a JWT or names a JOSE algorithm's primitives.
"""
