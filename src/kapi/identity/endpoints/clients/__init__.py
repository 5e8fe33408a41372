"""Endpoints that clients call: with client authentication, or with an access token."""
