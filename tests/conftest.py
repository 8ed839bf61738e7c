"""For all tests, and the programs that they start."""

import os

# PyTorch's threads wait for each other by turning in circles. For the tests' tiny networks they gain nothing,
# and on a machine that is busy otherwise they make seconds into minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
