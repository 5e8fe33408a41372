-- Who made the provider keep a record before any person had signed in, so that no one can make it keep without end.
ALTER TABLE records ADD COLUMN holder TEXT NOT NULL DEFAULT '';
CREATE INDEX records_by_holder ON records (kind, holder) WHERE holder <> '';
