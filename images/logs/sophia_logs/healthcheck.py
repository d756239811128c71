"""The container's health check.

    python3 healthcheck.py 9428 /health     exit 0 when what runs here answers that path with 200
    python3 healthcheck.py /tmp/alive       exit 0 when that file was written within a minute

It runs every few seconds; the imports of `urllib` would take longer than all the rest.
"""

import _socket
import os
import sys
import time


def answers(port: int, path: str) -> str:
    """The status line of an answer."""
    connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    return connection.recv(64).partition(b"\r\n")[0].decode(errors="replace")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [port, path]:
            told = answers(int(port), path)
            sys.exit(0 if " 200 " in told else f"{path} answers {told}")
        case [file]:
            age = time.time() - os.stat(file).st_mtime
            sys.exit(0 if age < 60 else f"{file} is {age:.0f} s old")
