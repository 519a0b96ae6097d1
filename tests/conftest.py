"""What all tests share."""

import torch

# Tests are small, and two threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)
