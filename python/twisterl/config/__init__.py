"""The way of a config: JSON, then models, then classes, then objects."""
