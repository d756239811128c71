"""`make audit` and `make sbom`: check what runs, with published benchmarks and our own checks."""
