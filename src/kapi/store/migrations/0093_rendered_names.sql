-- compatible from 0092_declared.sql
-- A deployment deletes what all fingerprints rendered of a name; without the index it reads all of the table.
CREATE INDEX rendered_by_name ON rendered (kind, name);
