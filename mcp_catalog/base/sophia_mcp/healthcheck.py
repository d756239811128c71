"""Docker's health check, run as a file: `python -I -S healthcheck.py`. Standard library only, and
without `socket`, whose imports take longer than everything else: 21 replicas run this every 5 s.

Exits with 0 when the process answers and has been ready once. `degraded`, `not_configured` and
`draining` pass: a restart would fix neither a database nor a credential nor a stop, and the gateway
reads /health itself. The body is printed, so that `docker inspect` and a failed deployment show
why.
"""

import _socket
import os
import sys

_ALIVE = ("ok", "degraded", "not_configured", "draining")


def probe(port: int, seconds: float = 20.0) -> tuple[bool, str]:
    """Whether the replica on this machine's `port` is alive, and its answer."""
    try:
        connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        connection.settimeout(seconds)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
        connection.close()
    except OSError as error:
        return False, f"no answer on port {port}: {error}"
    body = answer.partition(b"\r\n\r\n")[2].decode(errors="replace")
    return any(f'"status":"{status}"' in body for status in _ALIVE), body


if __name__ == "__main__":
    alive, said = probe(int(os.environ.get("PORT", "8000")))
    print(said)
    sys.exit(0 if alive else 1)
