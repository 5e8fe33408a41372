"""What is issued: access tokens, ID tokens, opaque tokens, and what comes back of them."""
