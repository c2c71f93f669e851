import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small tensors: threads cost more than they give
