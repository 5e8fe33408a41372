"""Makes access tokens: claims, format, signature. Needs no provider."""
