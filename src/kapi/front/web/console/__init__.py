"""The console: pages for the people who run the platform, made here on the server.

It has no rights of its own: each page calls the system APIs as the person who is signed in
(`calling.py`). `app/system/console.py` makes it, the control process serves it.
"""
