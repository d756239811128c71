"""What the platform costs, measured: ratios of one run on one machine."""
