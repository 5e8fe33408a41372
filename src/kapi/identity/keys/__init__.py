"""The signing keys: the keyring and its rotation."""
