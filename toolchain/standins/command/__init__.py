"""Replaces pulumi-resource-command 1.2.1."""
