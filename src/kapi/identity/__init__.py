"""The inbuilt, non-production authorization server, and the check of access tokens."""
