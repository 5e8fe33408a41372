-- Tokens that must not be accepted any more, each until it would have expired anyway. An empty issuer means any issuer.
CREATE TABLE revocations (
    issuer TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);
