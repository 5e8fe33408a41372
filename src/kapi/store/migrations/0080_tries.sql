-- Wrong guesses in the current window of seconds: passwords by name and address, user codes by person. `name` is a digest.
CREATE TABLE tries (
    name TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    count INTEGER NOT NULL
);
CREATE INDEX tries_by_start ON tries (started_at);
