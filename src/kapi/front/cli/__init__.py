"""The command line `kapi`. It talks to a running platform over https like any other client; data on stdout, talk on stderr."""
