"""JSON Web Tokens made by hand, so that the gateway isn't tested against its own signer."""

import base64
import hashlib
import hmac
import json
import time

SECRET = "0123456789abcdef0123456789abcdef"

# Every token that a test made: none of them may ever stand in a log.
issued = set()


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def sign(signed, secret):
    """A token of these two parts with their signature."""
    code = hmac.new(secret.encode("utf-8"), signed.encode("ascii"), hashlib.sha256).digest()
    return f"{signed}.{base64url(code)}"


def token(user, expires_in=3600, secret=SECRET, header=None, **claims):
    """A token of `user`; a claim given as None is left out."""
    claims = {"sub": user, "exp": int(time.time()) + expires_in, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {"alg": "HS256", "typ": "JWT", **(header or {})}
    signed = ".".join(base64url(json.dumps(part).encode("utf-8")) for part in (header, claims))
    made = sign(signed, secret)
    issued.add(made)
    return made
