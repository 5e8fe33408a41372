"""The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).

endpoints/browser/authorize.py → checks.py (a table: one check, one function)
→ flow.py (sign in? choose? consent?) → codes.py → responses.py
"""
