"""Tables and sheets made from the per-picture CSVs."""
