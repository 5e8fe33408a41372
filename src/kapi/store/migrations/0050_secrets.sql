-- Named secrets and certificates that confs refer to; this file is 0600 and so are its values' only copies on disk.
CREATE TABLE secrets (
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    secret_key TEXT NOT NULL,
    secret_value TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization, name, secret_key)
);
