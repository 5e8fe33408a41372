"""Wires the packages together for each kind of child process, which `__main__.py` runs.

control   system APIs, the configuration stream to Envoy; one process
identity  the inbuilt, non-production provider; one or more processes
"""
