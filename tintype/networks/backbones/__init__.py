"""Generators, by the names that `generator.backbone` has in params.yaml."""
