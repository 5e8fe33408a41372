"""The OpenAPI document of the system APIs."""
