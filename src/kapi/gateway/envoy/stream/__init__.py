"""How resources get to Envoy: encoding, the delta protocol, the gRPC server."""
