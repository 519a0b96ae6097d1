"""What `python -m tintype` can do, one file for each command."""
