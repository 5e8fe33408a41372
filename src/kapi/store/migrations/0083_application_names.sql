-- Applications of one organization may share a name when each has an id of its own. SQLite cannot drop a UNIQUE constraint, so the three
-- tables are made anew; the old ones are dropped children first, so that no cascade deletes a row.
CREATE TABLE new_applications (
    id TEXT PRIMARY KEY,
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE new_application_keys (
    organization TEXT NOT NULL,
    consumer_key TEXT NOT NULL,
    application_id TEXT NOT NULL REFERENCES new_applications (id) ON DELETE CASCADE,
    key_type TEXT NOT NULL,
    environment TEXT NOT NULL,
    PRIMARY KEY (organization, consumer_key)
);

CREATE TABLE new_subscriptions (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES new_applications (id) ON DELETE CASCADE,
    api_name TEXT NOT NULL,
    api_version TEXT NOT NULL,
    status TEXT NOT NULL,
    tier TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (application_id, api_name, api_version)
);

INSERT INTO new_applications SELECT id, organization, name, tier, created_at FROM applications;
INSERT INTO new_application_keys SELECT organization, consumer_key, application_id, key_type, environment FROM application_keys;
INSERT INTO new_subscriptions SELECT id, application_id, api_name, api_version, status, tier, created_at FROM subscriptions;

DROP TABLE application_keys;
DROP TABLE subscriptions;
DROP TABLE applications;

ALTER TABLE new_applications RENAME TO applications;
ALTER TABLE new_application_keys RENAME TO application_keys;
ALTER TABLE new_subscriptions RENAME TO subscriptions;
