"""The engine of several nodes: PostgreSQL 14 or newer, by psycopg 3 (the extra `postgres`)."""
