"""An identity provider: keys of every kind by Python's cryptography, tokens by PyJWT, and its key files."""

import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from . import tokens

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]

_MAKE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Issuer:
    """One key of an algorithm, with its name."""

    def __init__(self, algorithm, key_id="k1", key=None):
        self.algorithm = algorithm
        self.key_id = key_id
        self.key = key or _MAKE[algorithm]()

    def token(self, user, expires_in=3600, header=None, **claims):
        claims = {"sub": user, "exp": int(time.time()) + expires_in, **claims}
        made = jwt.encode(
            {name: value for name, value in claims.items() if value is not None}, self.key, self.algorithm,
            headers={"kid": self.key_id, **(header or {})})
        tokens.issued.add(made)
        return made

    @property
    def pem(self):
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @property
    def private_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode("ascii")

    @property
    def web_key(self):
        public = self.key.public_key()
        if self.algorithm == "EdDSA":
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            numbers = {"kty": "OKP", "crv": "Ed25519", "x": tokens.base64url(raw)}
        elif self.algorithm == "ES256":
            point = public.public_numbers()
            numbers = {"kty": "EC", "crv": "P-256", "x": _number(point.x, 32), "y": _number(point.y, 32)}
        else:
            found = public.public_numbers()
            numbers = {"kty": "RSA", "n": _number(found.n, public.key_size // 8), "e": _number(found.e, 3)}
        return {**numbers, "alg": self.algorithm, "use": "sig", "kid": self.key_id}

    def write_pem(self, path):
        path.write_text(self.pem, encoding="ascii")
        # An RSA key alone doesn't say which of the two ways to sign is meant.
        return f"PS256:{path}" if self.algorithm == "PS256" else str(path)


def write_key_set(path, *issuers, more=()):
    path.write_text(json.dumps({"keys": [issuer.web_key for issuer in issuers] + list(more)}), encoding="ascii")
    return str(path)


def _number(value, length):
    return tokens.base64url(value.to_bytes(length, "big"))
