"""Deployment of APIs: from two files to an API that Envoy confirmed; restored at each start."""
