"""Access tokens, ID tokens and opaque tokens: issue and reading."""
