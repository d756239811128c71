"""Plugins that replace the vendor's where those are not available; see README.md."""
