"""Stands in for Slack and for a mail server: whatever they get is at GET /received, in JSON.

HTTP on port 8080; SMTP on port 2525, which takes mail after STARTTLS and the password.

    python3 receiver.py chain.pem key.pem user password
"""

import asyncio
import base64
import email
import email.policy
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

CHAIN, KEY, USER, PASSWORD = sys.argv[1:]
SLACK, MAIL = [], []


class Slack(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        attachment = body["attachments"][0]
        SLACK.append({key: attachment[key] for key in ("title", "text")} | {"path": self.path})
        self._answer(b"ok")

    def do_GET(self) -> None:
        self._answer(json.dumps({"slack": SLACK, "mail": MAIL}).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection. Mail is refused before TLS and the password."""
    encrypted, trusted, to = False, False, []

    def say(line: str) -> None:
        writer.write(f"{line}\r\n".encode())

    say("220 stand-in")
    while line := (await reader.readline()).decode().strip():
        word = line.partition(" ")[0].upper()
        if word == "EHLO":
            say("250-stand-in")
            say("250 AUTH PLAIN" if encrypted else "250 STARTTLS")
        elif word == "STARTTLS":
            say("220 go on")
            await writer.drain()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CHAIN, KEY)
            await writer.start_tls(context)
            encrypted = True
        elif word == "AUTH":
            trusted = base64.b64decode(line.split()[2]) == f"\0{USER}\0{PASSWORD}".encode()
            say("235 yes" if trusted else "535 no")
        elif word in ("MAIL", "RCPT") and trusted:
            to += [line.partition(":")[2]] if word == "RCPT" else []
            say("250 ok")
        elif word == "DATA" and trusted:
            say("354 go on")
            lines = []
            while (line := (await reader.readline()).decode()) != ".\r\n":
                lines.append(line)
            parsed = email.message_from_string("".join(lines), policy=email.policy.default)
            text = parsed.get_body(("plain",)).get_content().replace("\r\n", "\n")
            MAIL.append({"to": to, "title": parsed["Subject"], "text": text})
            say("250 ok")
        elif word == "QUIT":
            say("221 bye")
            break
        else:
            say("530 not so")
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(smtp, "0.0.0.0", 2525)
    Thread(target=ThreadingHTTPServer(("0.0.0.0", 8080), Slack).serve_forever, daemon=True).start()
    await server.serve_forever()


asyncio.run(main())
