"""What is known of a caller: claims of tokens, kinds of tokens, and Envoy's rules about both. Used by policies and verifiers."""
