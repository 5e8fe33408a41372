"""The IR as resources of Gateway API 1.6 and Envoy Gateway 1.9. Pure.

`export.py` makes the objects of an API, of the same IR and the same match patterns as Envoy's
configuration; each policy says its part (`policies/kubernetes.py`). What the resources cannot
express is an error that lists all of it.
"""
