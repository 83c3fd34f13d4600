"""An OpenID Connect issuer of our own, to make tokens that no honest issuer makes."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "https://dicom.example"


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def segment(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")


class Issuer:
    """Publishes discovery and keys on the loopback address; signs what it is told to."""

    def __init__(self):
        self.key = new_key()
        self.kid = "first"
        self.published = {self.kid: self.key}
        self.key_requests = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/.well-known/openid-configuration":
                    body = {"issuer": issuer.url, "jwks_uri": issuer.url + "/keys"}
                elif self.path == "/keys":
                    issuer.key_requests += 1
                    body = {"keys": [issuer.jwk(kid, key) for kid, key in issuer.published.items()]}
                else:
                    self.send_error(404)
                    return
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @staticmethod
    def jwk(kid, key):
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        return jwk | {"kid": kid, "use": "sig", "alg": "RS256"}

    def claims(self, **changes):
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": AUDIENCE, "sub": "machine-1", "client_id": "machine-1",
            "iat": now, "nbf": now, "exp": now + 600, "roles": ["globalReader"],
        }
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key=None, kid=None, **changes):
        return jwt.encode(self.claims(**changes), key or self.key, "RS256", headers={"kid": kid or self.kid})

    def unsigned(self):
        head = segment(json.dumps({"alg": "none", "typ": "JWT", "kid": self.kid}).encode())
        return (head + b"." + segment(json.dumps(self.claims()).encode()) + b".").decode()

    def with_public_key_as_secret(self):
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        head = segment(json.dumps({"alg": "HS256", "typ": "JWT", "kid": self.kid}).encode())
        body = segment(json.dumps(self.claims()).encode())
        return (head + b"." + body + b"." + segment(hmac.digest(public, head + b"." + body, hashlib.sha256))).decode()

    def close(self):
        self.server.shutdown()
