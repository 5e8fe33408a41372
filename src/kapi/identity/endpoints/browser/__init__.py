"""Endpoints that a browser opens: the authorization endpoint and the pages of sign-in."""
