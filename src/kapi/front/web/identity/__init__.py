"""The inbuilt identity provider over HTTP: the hot path."""
