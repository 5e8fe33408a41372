"""What a test may change about an issuer: clock, keys, strictness; and what it may read."""
