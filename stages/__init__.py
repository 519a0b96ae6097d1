"""The stages of the DVC pipeline: arguments in, artefacts out."""
