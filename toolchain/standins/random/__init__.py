"""Replaces pulumi-resource-random 4.21.4."""
