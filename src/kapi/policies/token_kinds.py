"""How tokens that are no access tokens are told: by claims, where the header's `typ` says nothing (RFC 8725 §3.11). Pure.

Both verifiers read it: the gateway's filters (`gateway/envoy/token_checks.py`) and that of the system APIs (`identity/verify.py`).
"""

from __future__ import annotations

KIND_CLAIMS = ("token_type", "token_use", "typ")
"""Claims by which issuers mark the kind of a token: APK, Cognito, Keycloak."""
OTHER_KINDS = (
    *("refresh_token", "authorization_code", "session_key", "id_token", "logout_token", "InternalKey", "apiKey"),
    *("refresh", "Refresh", "ID", "id", "Logout", "Offline", "Action", "Initial-Access-Token", "Registration-Access-Token"),
)
"""Their values for what is no access token."""
OTHERS_CLAIMS = ("at_hash", "c_hash", "s_hash", "events")
"""Claims of ID tokens (OpenID Connect Core §3.1.3.6, §3.3.2.11) and security events (RFC 8417 §2.2) only."""
