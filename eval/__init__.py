"""Evaluates dispatchers in scenarios and saves the results as tables. Figures are plotted from these tables alone."""
