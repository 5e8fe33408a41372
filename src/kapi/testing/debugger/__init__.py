"""The client debugger: a page that runs each grant against an issuer and shows every message.

Rendered here, without scripts. It calls this server's own issuers only.
"""
