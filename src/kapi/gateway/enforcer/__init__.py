"""The few decisions that Envoy cannot take alone, in the control process: Envoy's scripts ask for them over its Unix socket.

Scripts keep what they get, so that a call seldom comes here. Another kind of check per route is another module here, a path in
`front/web/enforcer/questions.py` and a script that asks for it (`policies/lua/backend_jwt.lua` shows how: refuse when nobody answers).
"""
