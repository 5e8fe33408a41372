"""Puts the objects of an API into a cluster, and reads what Envoy Gateway says of them."""
