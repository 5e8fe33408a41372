-- Issuers that were declared while running, and the last good keys of each issuer, these and those of the settings.
CREATE TABLE issuers (
    name TEXT PRIMARY KEY,
    declaration TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE issuer_keys (
    name TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    jwks TEXT NOT NULL,
    jwks_uri TEXT NOT NULL,
    etag TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);
