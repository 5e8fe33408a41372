"""Envoy: the resources that are rendered, the stream that carries them, the process."""
