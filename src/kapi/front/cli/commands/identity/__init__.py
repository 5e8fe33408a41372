"""Commands of the heading Identity: tokens, keys, clients, people and issuers."""
