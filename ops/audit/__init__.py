"""`make audit` and `make sbom`: what runs, judged by checks that others wrote and by our own."""
