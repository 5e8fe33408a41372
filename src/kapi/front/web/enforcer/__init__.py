"""HTTP of the enforcer: requests of Envoy's scripts during a call."""
