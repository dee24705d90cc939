"""What episodes were to the last bit: `python -m tests.golden` records them, `test_golden.py` holds the code to it."""
