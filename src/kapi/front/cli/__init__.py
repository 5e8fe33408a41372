"""The command line `kapi`: a client of the running platform.

Data is written to standard output, messages to standard error.
"""
