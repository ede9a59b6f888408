"""Certificates for the tests' own authority: made by openssl, in a folder of the test."""

import os
import subprocess


class Certificate:
    def __init__(self, folder, name="gateway"):
        self.certificate = os.path.join(folder, f"{name}.pem")
        self.key = os.path.join(folder, f"{name}.key")
        self.renew()

    def renew(self):
        """Replaces both files, as a tool for certificates does: a new key, a new serial number."""
        new_key, new_certificate = self.key + ".new", self.certificate + ".new"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-keyout", new_key, "-out", new_certificate, "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.replace(new_key, self.key)
        os.replace(new_certificate, self.certificate)

    @property
    def options(self):
        return "--tls-cert", self.certificate, "--tls-key", self.key

    def serial(self):
        return subprocess.run(
            ["openssl", "x509", "-in", self.certificate, "-noout", "-serial"], check=True, capture_output=True,
            text=True).stdout.strip()
