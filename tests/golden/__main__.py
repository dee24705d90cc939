"""Record anew what episodes and the benchmark are to the last bit: only after a change that is meant to alter them."""

from tests.golden.record import record, run_benchmark

if __name__ == "__main__":
    record()
    run_benchmark()
