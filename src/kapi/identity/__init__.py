"""Who is calling: the inbuilt, non-production authorization server, and the check of bearer tokens for our own system APIs."""
