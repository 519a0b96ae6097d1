"""What real and fake mean: one adversarial objective per file."""
