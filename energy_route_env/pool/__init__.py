"""What a task costs on a model."""
