"""Record anew what episodes and the benchmark are to the last bit: only after a change that is meant to alter them.

Run it with OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1, as make does: threads add products up in another order.
"""

from tests.golden.record import record, run_benchmark

if __name__ == "__main__":
    record()
    run_benchmark()
