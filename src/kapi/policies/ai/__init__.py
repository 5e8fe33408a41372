"""Policies of APIs of AI providers: models that share calls, limits of tokens, counted usage."""
