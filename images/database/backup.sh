#!/bin/sh
# The commands of the package `backup`, which lists them.
PYTHONPATH=/usr/local/lib/sophia exec python3 -m backup "$@"
