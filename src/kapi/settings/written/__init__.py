"""Settings in written form: as documents, and the JSON Schema of them."""
