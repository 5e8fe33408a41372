"""Try it: one call of a deployed API through the gateway, and what the gateway decided.

The server sends it, to the gateway's own listener and to APIs of the person's organization only.
"""
