"""Evaluates dispatchers in scenarios and saves the results as tables. Figures are drawn from these tables alone."""
