"""Asks questions of dispatchers in scenarios, saves the answers as tables, and draws from these alone."""
