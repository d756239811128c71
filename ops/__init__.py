"""What `make` calls: the platform on this machine, up and down, in stages a person can follow."""
