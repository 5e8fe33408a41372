-- What changed, so that other processes notice: a topic's version grows with every transaction that names it.
CREATE TABLE changes (
    topic TEXT PRIMARY KEY,
    version INTEGER NOT NULL
);
