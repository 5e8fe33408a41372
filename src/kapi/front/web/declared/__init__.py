"""Declared state: `POST /api/apply` makes the platform have what a request declares.

`plan.py` and `applying.py` are the steps; `kinds/` has a module for each kind of object.
"""
