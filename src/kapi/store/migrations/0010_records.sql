-- What the identity provider must remember for a while: codes, refresh tokens, sessions, pushed requests, seen ids, ...
-- `key` is a digest of the secret that the caller holds, never the secret. `family` ties together what one authorization issued.
CREATE TABLE records (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    family TEXT NOT NULL,
    payload TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    PRIMARY KEY (kind, key)
);
CREATE INDEX records_by_family ON records (family);
CREATE INDEX records_by_expiry ON records (expires_at);
