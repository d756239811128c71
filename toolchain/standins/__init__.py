"""Plugins that stand in for the vendor's where those cannot be had; see README.md."""
