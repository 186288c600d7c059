"""A mail server as providers have them: STARTTLS first, then a name and a password, then mails.

`python -m tests.journeys.post ADDRESS FOLDER` listens on port 587 with FOLDER's certificate (server.pem, server.key),
lets in whoever has the password on its standard input, prints "ready", and then each mail as one line of JSON.
"""

import base64
import json
import socketserver
import ssl
import sys
from email import message_from_string, policy

USER = "hydra"


class Talk(socketserver.StreamRequestHandler):
    """One connection."""

    secure = known = False

    def handle(self):
        self.say("220 here")
        while line := self.rfile.readline():  # of one file before TLS, of another with it
            words = line.decode().split()
            verb = words[0].upper() if words else ""
            if verb == "QUIT":
                return self.say("221 bye")
            getattr(self, f"on_{verb.lower()}", self.on_other)(words)

    def say(self, *lines):
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def on_other(self, words):
        self.say("250 fine" if self.known else "530 sign in first")

    def on_ehlo(self, words):
        self.say("250-here", "250 AUTH PLAIN" if self.secure else "250 STARTTLS")

    def on_starttls(self, words):
        self.say("220 go on")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.secure = True
        self.setup_files()

    def setup_files(self):
        """What is read and written from now on is encrypted."""
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def on_auth(self, words):
        given = base64.b64decode(words[-1]).decode().split("\0")[1:]
        self.known = self.secure and given == [USER, self.server.password]
        self.say("235 welcome" if self.known else "535 no")

    def on_data(self, words):
        if not self.known:
            return self.say("530 sign in first")
        self.say("354 go on")
        lines = iter(self.rfile.readline, b".\r\n")
        mail = message_from_string(b"".join(lines).decode(), policy=policy.default)
        self.say("250 taken")
        told = {name.lower(): str(mail[name]) for name in ("From", "To", "Subject")}
        print(json.dumps(told | {"text": mail.get_content()}), flush=True)


def main(address, folder):
    with socketserver.ThreadingTCPServer((address, 587), Talk) as server:
        server.daemon_threads = True
        server.password = sys.stdin.readline().rstrip()
        server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.tls.load_cert_chain(f"{folder}/server.pem", f"{folder}/server.key")
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
