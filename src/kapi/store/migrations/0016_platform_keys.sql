-- Symmetric keys that all processes of the platform share and no person ever types: of nonces, of cookies.
CREATE TABLE platform_keys (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
