"""The HTTP side of the testing room: what is done to a request before and after the provider."""
