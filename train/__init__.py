"""Makes learned dispatchers."""
