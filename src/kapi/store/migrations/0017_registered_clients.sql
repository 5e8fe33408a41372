-- Clients that were registered at run time. Secrets are digests only. A removed client keeps its row, without content, so that
-- workers which read what changed since `revision` notice.
CREATE TABLE registered_clients (
    id TEXT PRIMARY KEY,
    metadata TEXT NOT NULL,
    salt BLOB NOT NULL,
    secret_digest BLOB NOT NULL,
    token_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    removed INTEGER NOT NULL
);
CREATE UNIQUE INDEX registered_clients_by_revision ON registered_clients (revision);
