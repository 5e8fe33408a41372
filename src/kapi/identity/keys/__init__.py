"""What signs: the keyring and its rotation."""
