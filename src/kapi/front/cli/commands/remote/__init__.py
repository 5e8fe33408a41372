"""Commands of the heading Platforms elsewhere: contexts, and signing in at one."""
