"""The platform's version: the newest heading of CHANGELOG.md. The output `version` shows the one
of a stack's last `up`. Pure."""

VERSION = "0.1.0"
