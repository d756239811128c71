"""Stands in for pulumi-resource-command 1.2.1."""
