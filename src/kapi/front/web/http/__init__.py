"""HTTP of the system APIs: bodies, forms, errors, callers."""
