"""Pulumi provider for Docker Swarm: membership, and what runs in the cluster."""
