"""What all tests share."""

import signal

import torch

# Tests are small, and two threads that wait for each other on a busy machine take longer than one.
torch.set_num_threads(1)
# What a shell starts in the background ignores Ctrl-C, and so would the programs that tests start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)
