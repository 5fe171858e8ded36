"""TLS: the certificate and key of a server: given as files, or made here and signed by itself."""

from __future__ import annotations

import datetime
import hashlib
import os
import socket
import ssl
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from envstream import private
from envstream.config import StreamConfig
from envstream.errors import AddressError

DAYS, RENEWED = 365, 30  # How long one holds, and how long before its end there is another.
KEPT = "certificate.pem"  # Key and certificate in one.
MISSING = (
    "videoStreamTlsCert=auto makes a certificate, which wants the package cryptography: "
    "pip install 'envstream[tls]', or give the files of one"
)


class Files(NamedTuple):
    """What https is served with.

    Attributes:
        key: None where it is in the same file as the certificate.
        fingerprint: SHA-256, of a certificate that signs itself; None of others, which browsers believe.
        passing: whether the file is there only to be read once.
    """

    certificate: str
    key: str | None
    fingerprint: str | None = None
    passing: bool = False

    def loaded(self) -> None:
        """It was read: what lay in a file only for that goes."""
        if self.passing:
            Path(self.certificate).unlink(missing_ok=True)


def certificate_of(settings: StreamConfig) -> Files | None:
    """What a server with these settings serves https with; None = it serves http.

    Raises:
        AddressError: it is to be made, and cannot be.
    """
    if settings.videoStreamTlsCert is None:
        return None
    if settings.videoStreamTlsCert != "auto":
        return Files(settings.videoStreamTlsCert, settings.videoStreamTlsKey)
    now = datetime.datetime.now(datetime.timezone.utc)
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname(), settings.videoStreamHost]
    pem = _kept(names, now)
    if pem is None:
        pem = made(names, now)
        private.keep(KEPT, pem)
    if private.kept(KEPT) == pem:
        return Files(str(private.folder() / KEPT), None, fingerprint(pem))
    descriptor, name = tempfile.mkstemp(suffix=".pem")  # Only this user can read it.
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return Files(name, None, fingerprint(pem), passing=True)


def made(names: list[str], now: datetime.datetime) -> bytes:
    """A key and a certificate for these names, signed by itself, as PEM.

    Raises:
        AddressError: what makes them is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise AddressError(MISSING) from error
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "envstream")])
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(_named(names)), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    )
    signed = builder.sign(key, hashes.SHA256())
    form = serialization.Encoding.PEM
    secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + signed.public_bytes(form)


def fits(pem: bytes, names: list[str], now: datetime.datetime) -> bool:
    """Whether a certificate that was kept is for these names, and holds long enough.

    Raises:
        AddressError: what reads it is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise AddressError(MISSING) from error
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        same = load_pem_private_key(pem, None).public_key() == certificate.public_key()
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False
    ends = certificate.not_valid_after_utc - datetime.timedelta(days=RENEWED)
    return same and certificate.not_valid_before_utc <= now < ends and set(_named(names)) <= set(found)


def fingerprint(pem: bytes) -> str:
    """The SHA-256 fingerprint of a certificate, as browsers show it."""
    text = pem.decode("ascii")
    der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])
    return hashlib.sha256(der).digest().hex(":").upper()


def _kept(names: list[str], now: datetime.datetime) -> bytes | None:
    before = private.kept(KEPT)
    return before if before is not None and fits(before, names, now) else None


def _named(names: list[str]) -> list[Any]:
    """Names as a certificate has them, each once; without those that no page is opened at."""
    from cryptography import x509

    said: list[Any] = []
    for name in dict.fromkeys(names):
        try:
            address = ip_address(name)
        except ValueError:
            if name.isascii() and name:
                said.append(x509.DNSName(name))
        else:
            if not address.is_unspecified:
                said.append(x509.IPAddress(address))
    return list(dict.fromkeys(said))
