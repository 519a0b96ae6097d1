"""What tells real colours from generated ones, by the names in params.yaml."""
