"""Pulumi provider for Lambda Cloud: its machines, their readiness, and the keys they trust."""
