"""Changes that several MCP servers behind one API tell of, for the clients of the API.

Envoy sends a request to one server only, so the control process listens to each of them
(`subscriptions/listen`) through Envoy's own routes and joins what they say. Streams of revision
2026-07-28 are in `listening.py`, sessions of earlier revisions in `sessions.py`; both read what
waits for their client (`events.py`) and listen to servers (`feed.py`, `upstream.py`).
"""
