"""Documents about the provider: metadata, keys, OpenAPI, health."""
