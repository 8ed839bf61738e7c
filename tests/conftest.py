"""For all tests, and the programs that they start."""

import os

# Threads of OpenMP wait for each other by turning in circles. For the tests' tiny networks they gain nothing,
# and on a machine that is busy otherwise they make seconds into minutes. Numba, which pymatting loads, would
# set PyTorch's number of threads anew.
for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
