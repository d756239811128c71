"""The container's health check: exit 0 when what runs here answers a path with 200.

    python3 healthcheck.py 9090 /-/ready

It runs every 5 s in each container; the imports of `urllib` would take longer than all the rest.
"""

import _socket
import sys

port, path = sys.argv[1:]
connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.settimeout(20)
connection.connect(("127.0.0.1", int(port)))
connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
status = connection.recv(64).partition(b"\r\n")[0]
sys.exit(0 if b" 200 " in status else f"{path} answers {status.decode(errors='replace')}")
