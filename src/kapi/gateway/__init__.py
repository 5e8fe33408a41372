"""Where traffic flows: deploying APIs to Envoy."""
