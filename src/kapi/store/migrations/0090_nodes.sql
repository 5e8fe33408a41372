-- Platforms that share this database; see kapi/store/nodes.py.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    deployments INTEGER NOT NULL,
    signing_keys INTEGER NOT NULL
);
-- Work that one node does at a time.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
);
-- The change of deployments that stored an API: nodes take up those that are newer than what they know.
ALTER TABLE apis ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
CREATE INDEX apis_by_change ON apis (change);
-- Modules of APIs by their digest; each node writes the file for its Envoy from here.
CREATE TABLE module_contents (
    sha256 TEXT PRIMARY KEY,
    content BLOB NOT NULL
);
-- Each node counts by itself.
CREATE TABLE new_counters (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    unit INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (node, name, unit)
);
INSERT INTO new_counters SELECT '', name, unit, slot, used FROM counters;
DROP TABLE counters;
ALTER TABLE new_counters RENAME TO counters;
-- Nodes with other settings or another version render other resources.
CREATE TABLE new_rendered (
    fingerprint TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (fingerprint, kind, name)
);
INSERT INTO new_rendered SELECT fingerprint, kind, name, body FROM rendered;
DROP TABLE rendered;
ALTER TABLE new_rendered RENAME TO rendered;
