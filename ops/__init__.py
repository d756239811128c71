"""The code behind `make`: the platform on this machine, up and down, in visible stages."""
