-- Which bytes a module of an API was when it was deployed; the bytes themselves are a file named after their digest.
CREATE TABLE modules (
    api_id TEXT NOT NULL,
    url TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (api_id, url)
);
