"""Runs HAProxy with the configuration at a URL, and applies its changes.

A change is a reload: a new worker takes all new connections, and existing ones continue in their
worker. A configuration that HAProxy refuses is reported once, and changes nothing.

python3 follow.py http://tasks.example-gateway-config:8404/haproxy.cfg
"""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

CONFIG, CANDIDATE = Path("/tmp/haproxy.cfg"), Path("/tmp/haproxy.cfg.new")
SERVERS, SOCKET = Path("/tmp/servers"), "/tmp/haproxy.sock"
STOPPING = threading.Event()
PAUSE = 2.0
"""Seconds between two polls."""


def say(message: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(json.dumps({"time": now, "message": message}), flush=True)


def fetched(url: str) -> str:
    """The configuration. Raises OSError or HTTPException while nobody serves it."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=3)
    try:
        connection.request("GET", where.path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return answer.read().decode()
    finally:
        connection.close()


def refusal(config: str) -> str:
    """HAProxy's error in a configuration, or ""."""
    CANDIDATE.write_text(config)
    check = subprocess.run(
        ["haproxy", "-c", "-f", str(CANDIDATE)], capture_output=True, text=True, check=False
    )
    return f"status {check.returncode}, {check.stderr.strip()[:4000]}" if check.returncode else ""


def keep_servers() -> None:
    """Saves which replicas exist and are healthy: the next worker starts with them."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(3)
        connection.connect(SOCKET)
        connection.sendall(b"show servers state\n")
        content = b"".join(iter(lambda: connection.recv(65536), b""))
    SERVERS.write_bytes(content)


def first(url: str) -> str:
    """The configuration, as soon as there is one."""
    told = ""
    while True:
        try:
            return fetched(url)
        except (OSError, http.client.HTTPException) as error:
            if told != (told := f"waiting for the configuration: {error}"):
                say(told)
        time.sleep(PAUSE)


def follow(url: str, haproxy: subprocess.Popen[bytes], running: str) -> int:
    """Runs until HAProxy ends; returns its exit status."""
    tried = running
    while True:
        try:
            return haproxy.wait(PAUSE)
        except subprocess.TimeoutExpired:
            pass
        try:
            config = fetched(url)
        except (OSError, http.client.HTTPException):
            continue  # keep the present one
        if config == tried or STOPPING.is_set():
            continue
        tried = config
        if reason := refusal(config):
            say(f"the new configuration is refused, the former one stays: {reason}")
            continue
        try:
            keep_servers()
        except OSError as error:
            say(f"the states of replicas are not carried over: {error}")
        CANDIDATE.rename(CONFIG)
        if not STOPPING.is_set():  # a reload would start it again
            haproxy.send_signal(signal.SIGUSR2)
            say("the new configuration is in use")


def main(url: str) -> int:
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    SERVERS.write_text("1\n")  # the format's version; HAProxy warns of a file that isn't there
    config = first(url)
    if reason := refusal(config):
        sys.exit(f"the configuration is refused: {reason}")
    CANDIDATE.rename(CONFIG)
    haproxy = subprocess.Popen(["haproxy", "-W", "-db", "-f", str(CONFIG)])

    def stop(given: int, _: object) -> None:
        STOPPING.set()
        haproxy.send_signal(given)

    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, stop)
    return follow(url, haproxy, config)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
