"""What the GitHub workflows run; `make preflight`, `preview`, `deploy` … run the same by hand."""
