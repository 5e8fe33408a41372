-- compatible from 0092_declared.sql
-- Sessions of MCP clients at several servers behind one API: what they subscribe to. `id` and `caller` are digests.
-- `node` has the stream of the session, or had it last. `change` is the number of the change that wrote the row.
CREATE TABLE mcp_sessions (
    id TEXT PRIMARY KEY,
    caller TEXT NOT NULL,
    node TEXT NOT NULL,
    uris TEXT NOT NULL,
    change INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX mcp_sessions_by_caller ON mcp_sessions (caller);
CREATE INDEX mcp_sessions_by_change ON mcp_sessions (change);
CREATE INDEX mcp_sessions_by_expiry ON mcp_sessions (expires_at);
