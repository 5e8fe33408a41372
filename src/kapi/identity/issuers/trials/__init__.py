"""What a token of an issuer depends on, tried step by step: `kapi issuer test`, `kapi explain`."""
