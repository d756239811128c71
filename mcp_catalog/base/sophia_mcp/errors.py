"""Errors of the runtime.

RuntimeFault                 the process can't start as it was told to
├── SettingError             an environment variable has a wrong value
└── MissingSecretError       a secret was not delivered
DependencyError              what the server needs does not answer; /health says so
"""


class RuntimeFault(Exception):
    """The process can't start as it was told to: one line in the log, exit status 2."""


class SettingError(RuntimeFault):
    """An environment variable has a wrong value."""


class MissingSecretError(RuntimeFault):
    """A secret is neither a file nor an environment variable."""


class DependencyError(Exception):
    """Something the server needs does not answer; the text goes into /health."""
