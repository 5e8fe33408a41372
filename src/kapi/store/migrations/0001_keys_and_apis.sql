-- The signing keys of the inbuilt provider; the private key never leaves this table but into memory.
CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    private_pem TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- The deployed APIs: the caller's own texts are the truth, all else is derived from them.
CREATE TABLE apis (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    environment TEXT NOT NULL,
    base_path TEXT NOT NULL,
    default_base_path TEXT,
    revision INTEGER NOT NULL,
    deployed_at INTEGER NOT NULL,
    conf TEXT NOT NULL,
    definition BLOB NOT NULL
);

-- Derived Envoy resources, kept so that a restart need not compile every API again; safe to delete at any time.
CREATE TABLE rendered (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, name)
);
