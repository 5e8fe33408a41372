"""IR to Envoy resources, as plain dictionaries. Pure."""
