-- People who can sign in, besides those of the settings. `digest` is argon2id; `profile` is JSON: organizations, groups, claims, ...
CREATE TABLE users (
    username TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    profile TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
