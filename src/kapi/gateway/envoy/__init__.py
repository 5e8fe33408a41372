"""IR → Envoy resources; the stream that carries them; check, publish, confirm; the process and its certificate."""
