"""The platform's version: the newest heading of CHANGELOG.md. The output `version` tells which one
a stack was brought up with last. Pure."""

VERSION = "0.1.0"
