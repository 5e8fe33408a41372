"""What happened to calls: reads the access log that Envoy writes."""
