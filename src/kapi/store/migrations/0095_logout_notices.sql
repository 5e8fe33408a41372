-- compatible from 0092_declared.sql
-- Clients that must be told that a session ended (Back-Channel Logout). Written in the transaction that ends the session.
-- `due_at`: the next attempt. Who makes an attempt moves it to a later time first, so that one does at a time.
CREATE TABLE logout_notices (
    sid TEXT NOT NULL,
    client_id TEXT NOT NULL,
    person TEXT NOT NULL,
    issuer TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (sid, client_id)
);
CREATE INDEX logout_notices_by_time ON logout_notices (due_at);
CREATE INDEX logout_notices_by_client ON logout_notices (client_id);
CREATE INDEX logout_notices_by_age ON logout_notices (made_at);
