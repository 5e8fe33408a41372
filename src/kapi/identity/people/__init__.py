"""The people who sign in: users, sessions, consents, and the steps between them."""
