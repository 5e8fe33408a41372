"""Who signs in: users, sessions, consents, and the steps between them."""
