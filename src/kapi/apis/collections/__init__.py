"""Collections of requests for API clients, made from OpenAPI documents. Pure.

`requests.py` makes the requests, `postman.py` and `bruno.py` write them in the form of a program.
Called by `kapi export`.
"""
