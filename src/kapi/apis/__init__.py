"""What is deployed: apk-conf and definition files become an intermediate representation.

Pure: no I/O at all.
"""
