-- An account has a subject of its own, which no later account gets (OpenID Connect Core §2, §5.7). Accounts from before keep theirs.
ALTER TABLE users ADD COLUMN subject TEXT NOT NULL DEFAULT '';
UPDATE users SET subject = username;
CREATE UNIQUE INDEX users_by_subject ON users (subject);
ALTER TABLE users ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
-- When everything that an account had was ended last: it was removed or disabled, or its password changed.
CREATE TABLE ended_accounts (
    subject TEXT PRIMARY KEY,
    ended_at INTEGER NOT NULL
);
CREATE INDEX ended_accounts_by_time ON ended_accounts (ended_at);
-- The people of the settings at the last start, so that the next start notices who is gone and whose password changed.
CREATE TABLE settings_accounts (
    username TEXT PRIMARY KEY,
    mark TEXT NOT NULL
);
-- Whose record it is: a session, a code, a consent, a device code, a CIBA request, a family of tokens.
ALTER TABLE records ADD COLUMN person TEXT GENERATED ALWAYS AS (
    CASE WHEN kind IN ('session', 'code', 'consent', 'device', 'ciba', 'family', 'known-browser') AND json_valid(payload)
    THEN coalesce(nullif(json_extract(payload, '$.user'), ''), json_extract(payload, '$.authorization.user'), '')
    ELSE '' END
) VIRTUAL;
CREATE INDEX records_by_person ON records (person) WHERE person <> '';
