-- compatible from 0091_audit.sql
-- Which objects `kapi apply` created, and for which owner; only these are pruned.
CREATE TABLE declared (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    organization TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
