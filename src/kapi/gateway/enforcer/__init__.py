"""Decisions that Envoy cannot take alone: its scripts ask the control process over a Unix socket.

Scripts keep the answers, so few calls come here. Another kind of check for a route is another
module here, a path in `front/web/enforcer/questions.py`, and a script that asks for it and refuses
if there is no answer (as `policies/lua/backend_jwt.lua`).
"""
