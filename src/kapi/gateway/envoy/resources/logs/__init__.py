"""The access log of the gateway, and the plain words for what it answered itself."""
