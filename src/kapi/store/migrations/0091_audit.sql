-- Who did what; rows are appended, and the oldest of a class are deleted when it has too many. No row holds a secret.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    class TEXT NOT NULL,
    at INTEGER NOT NULL,
    organization TEXT NOT NULL,
    event TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX audit_by_class ON audit (class, id);
