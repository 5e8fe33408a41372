-- What one process asks of another and waits for: `wanted` until it is done.
CREATE TABLE duties (
    name TEXT PRIMARY KEY,
    done INTEGER NOT NULL DEFAULT 0
);
