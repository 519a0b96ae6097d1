"""What a network's planes mean, and by which loss they learn it: one head per file."""
