-- Keys that sign backend JWTs; not those of the inbuilt provider: who trusts the one need not trust the other.
CREATE TABLE enforcer_keys (
    kid TEXT PRIMARY KEY,
    private_pem TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
