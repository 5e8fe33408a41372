-- API keys that we issued. Neither kind is here in clear: a JWT key is verified by its signature, an opaque one by its digest.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest TEXT NOT NULL,
    claims TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL
);
CREATE INDEX api_keys_by_organization ON api_keys (organization, created_at);

-- What JWT API keys are signed with; never the key of access tokens, so that neither passes as the other.
CREATE TABLE api_key_signers (
    kid TEXT PRIMARY KEY,
    private_pem TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
