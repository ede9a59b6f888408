"""Certificates for the tests' own authority, in a folder of the test."""

import datetime
import ipaddress
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificate:
    def __init__(self, folder, name="gateway", days=30, begins=-60):
        """`days`: how long it is valid from now on; less than zero for one that has expired. `begins`: from which day on."""
        self.begins = begins
        self.days = days
        self.certificate = os.path.join(folder, f"{name}.pem")
        self.key = os.path.join(folder, f"{name}.key")
        self.renew()

    def renew(self):
        """Replaces both files, as a tool for certificates does: a new key, a new serial number."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.timezone.utc)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=self.begins)).not_valid_after(now + datetime.timedelta(days=self.days))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()))
        self._replace(self.key, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self._replace(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))

    @staticmethod
    def _replace(path, content):
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        os.replace(path + ".new", path)

    @property
    def options(self):
        return "--tls-cert", self.certificate, "--tls-key", self.key

    def serial(self):
        return subprocess.run(
            ["openssl", "x509", "-in", self.certificate, "-noout", "-serial"], check=True, capture_output=True,
            text=True).stdout.strip()
