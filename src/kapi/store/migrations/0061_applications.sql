CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (organization, name)
);

CREATE TABLE application_keys (
    organization TEXT NOT NULL,
    consumer_key TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    key_type TEXT NOT NULL,
    environment TEXT NOT NULL,
    PRIMARY KEY (organization, consumer_key)
);

CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id) ON DELETE CASCADE,
    api_name TEXT NOT NULL,
    api_version TEXT NOT NULL,
    status TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (application_id, api_name, api_version)
);
