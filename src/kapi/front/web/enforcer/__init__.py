"""What Envoy asks the control process during a call."""
