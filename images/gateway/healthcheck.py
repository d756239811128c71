"""The container's health check: exit 0 when HAProxy answers on its local port.

Bad gateways of single servers don't count: restarting this process would not fix them. A socket
instead of an HTTP library: the check runs every two seconds.
"""

import socket
import sys

with socket.create_connection(("127.0.0.1", 8404), timeout=4) as connection:
    connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
    status = connection.recv(64).partition(b"\r\n")[0]
sys.exit(0 if b" 200 " in status else f"HAProxy answers {status.decode(errors='replace')}")
