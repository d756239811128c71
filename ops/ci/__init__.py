"""The commands of the GitHub workflows; `make preflight`, `preview`, `deploy` … run the same."""
