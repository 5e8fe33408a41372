-- When a key changes next, in seconds since the epoch: a published one becomes active, a retired one leaves the JWKS.
ALTER TABLE signing_keys ADD COLUMN due_at INTEGER;
