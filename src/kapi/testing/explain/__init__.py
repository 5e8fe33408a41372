"""Explains: why a request was refused, what a token is and who accepts it."""
