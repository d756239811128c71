"""Measures what the platform costs: ratios within one run on one machine."""
