"""The container's health check: exit 0 when HAProxy answers on its local port.

Servers without healthy replicas don't count: restarting this process would not fix them. It runs
every 5 s, and the imports of `socket` would take longer than everything else.
"""

import _socket
import sys

connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
connection.settimeout(20)
connection.connect(("127.0.0.1", 8404))
connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
status = connection.recv(64).partition(b"\r\n")[0]
sys.exit(0 if b" 200 " in status else f"HAProxy answers {status.decode(errors='replace')}")
