"""TLS: a certificate that is made here fits its names, lasts, and is the one whose fingerprint is printed."""

from __future__ import annotations

import datetime
import hashlib
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from envstream import private
from envstream.config import StreamConfig
from envstream.errors import AddressError, SettingError
from envstream.settings import read
from envstream.web import tls
from envstream.web.tls import DAYS, KEPT, RENEWED, certificate_of, fingerprint, fits, made
from fakes import PictureEnv
from serving import streaming, until

NAMES = ["localhost", "127.0.0.1", "::1", "gpu-7.cluster", "0.0.0.0", "localhost"]
NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(private, "folder", lambda: tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture(scope="module")
def pem() -> bytes:
    return made(NAMES, NOW)


def test_it_is_of_the_kind_that_browsers_take(pem: bytes) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    certificate = x509.load_pem_x509_certificate(pem)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["localhost", "gpu-7.cluster"]
    assert [str(each) for each in found.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert certificate.not_valid_after_utc - NOW == DAYS * DAY


def test_the_fingerprint_is_that_of_the_certificate(pem: bytes) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    said = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256())
    assert fingerprint(pem) == said.hex(":").upper()


@pytest.mark.parametrize(
    ("names", "when", "good"),
    [
        (NAMES, NOW, True),
        (NAMES[:2], NOW + 300 * DAY, True),
        ([*NAMES, "other.host"], NOW, False),
        (NAMES, NOW + (DAYS - RENEWED + 1) * DAY, False),
        (NAMES, NOW - 2 * DAY, False),
    ],
)
def test_one_that_was_kept_is_used_while_it_fits(
    pem: bytes, names: list[str], when: datetime.datetime, good: bool
) -> None:
    assert fits(pem, names, when) is good


@pytest.mark.parametrize("damage", ["nothing", "no key", "another key", "noise"])
def test_one_that_is_damaged_does_not_fit(pem: bytes, damage: str) -> None:
    certificate = pem[pem.index(b"-----BEGIN CERTIFICATE") :]
    other = made(NAMES, NOW)
    key = other[: other.index(b"-----BEGIN CERTIFICATE")]
    text = {"nothing": b"", "no key": certificate, "another key": key + certificate, "noise": b"\xff" * 99}[
        damage
    ]
    assert fits(text, NAMES, NOW) is False


def test_it_is_kept_for_the_next_run() -> None:
    first, second = (certificate_of(StreamConfig(videoStreamTlsCert="auto")) for _ in range(2))
    assert first == second and first is not None and Path(first.certificate).name == KEPT
    assert os.name != "posix" or Path(first.certificate).stat().st_mode & 0o777 == 0o600


def test_where_it_cannot_be_kept_its_file_goes_once_it_was_read(place: Path) -> None:
    place.write_text("no folder")
    files = certificate_of(StreamConfig(videoStreamTlsCert="auto"))
    assert files is not None and files.passing
    assert os.name != "posix" or Path(files.certificate).stat().st_mode & 0o777 == 0o600
    files.loaded()
    assert not Path(files.certificate).exists()


def test_files_that_were_given_stay() -> None:
    files = tls.Files(__file__, __file__)
    files.loaded()
    assert Path(__file__).exists() and files.fingerprint is None


def test_without_the_package_it_is_said_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(AddressError, match=r"envstream\[tls\]"):
        certificate_of(StreamConfig(videoStreamTlsCert="auto"))


def test_what_is_made_has_a_key_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="go together"):
        read(videoStreamTlsCert="auto", videoStreamTlsKey=__file__)


def test_a_server_prints_the_fingerprint_of_what_it_serves(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with streaming(PictureEnv(), videoStreamTlsCert="auto") as port:
        context = ssl.create_default_context(cafile=str(place / KEPT))
        with socket.create_connection(("127.0.0.1", port)) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as secure:
                served: Any = secure.getpeercert(binary_form=True)
                secure.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                answer = secure.recv(4000)
        said: list[str] = []

        def is_told() -> bool:
            said.append(capsys.readouterr().err)
            return "SHA-256" in "".join(said)

        until(is_told, "its fingerprint")
    assert b"200 OK" in answer and b"strict-transport" not in answer.lower()
    told = "".join(said)
    assert hashlib.sha256(served).digest().hex(":").upper() in told and "https://" in told
