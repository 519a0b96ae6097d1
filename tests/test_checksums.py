"""What the checksums of files promise, told by files that are used where they are."""

import hashlib
from pathlib import Path

import pytest

from tintype.console import UserError
from tintype.sources import transfer

DATA, OTHER = b"some bytes", b"same count"
DIGEST = hashlib.sha256(DATA).hexdigest()
SHA256, MD5 = f"sha256:{DIGEST}", f"md5:{hashlib.md5(DATA).hexdigest()}"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "a.zip").write_bytes(DATA)
    return tmp_path


def test_a_file_is_used_where_it_is_whatever_its_checksum_is_called(project):
    (project / "my data").mkdir()
    path = (project / "a.zip").rename(project / "my data" / "a.zip")
    for url in ("file:my%20data/a.zip", f"file://{project}/my%20data/a.zip", "file:x/../my data/a.zip"):
        for checksum in (SHA256, MD5, None, None):
            assert transfer.fetch(url, checksum, len(DATA)) == path
    assert not [file for file in (project / "data").rglob("*.zip")]


def test_a_recorded_file_must_stay_as_it_was(project):
    transfer.fetch("file:a.zip", None, None)
    assert (project / "checksums.csv").read_text() == f"url,bytes,sha256\nfile:a.zip,10,{DIGEST}\n"
    (project / "a.zip").write_bytes(OTHER)
    changed = rf"file:a.zip: found sha256:\w+, expected {SHA256}; checksums.csv .* delete its line there"
    with pytest.raises(UserError, match=changed):
        transfer.fetch("file:a.zip", None, None)
    assert (project / "a.zip").read_bytes() == OTHER
    (project / "checksums.csv").unlink()
    transfer.fetch("file:a.zip", None, None)


def test_a_checksum_in_params_goes_before_the_record_and_is_not_recorded(project):
    transfer.fetch("file:a.zip", SHA256, None)
    assert not (project / "checksums.csv").exists()
    (project / "checksums.csv").write_text(f"url,bytes,sha256\nfile:a.zip,1,{64 * '0'}\n")
    transfer.fetch("file:a.zip", SHA256, None)


@pytest.mark.parametrize(
    ("checksum", "size", "found"),
    [
        (SHA256, None, rf"found sha256:\w+, expected {SHA256}; correct `url`"),
        (MD5, None, rf"found md5:\w+, expected {MD5}; correct `url`"),
        (None, 9, "found 10 bytes, expected 9; correct `url`"),
    ],
)
def test_a_file_that_params_do_not_describe_is_refused_and_not_recorded(project, checksum, size, found):
    (project / "a.zip").write_bytes(OTHER)
    with pytest.raises(UserError, match=found):
        transfer.fetch("file:a.zip", checksum, size)
    assert not (project / "checksums.csv").exists() and (project / "a.zip").read_bytes() == OTHER


def test_the_record_is_sorted_and_keeps_what_it_had(project):
    older = f'"https://example.org/a,b.zip",7,{64 * "e"}\n'
    (project / "checksums.csv").write_text(f"url,bytes,sha256\n{older}")
    transfer.fetch("file:a.zip", None, None)
    text = (project / "checksums.csv").read_text()
    assert text == f"url,bytes,sha256\nfile:a.zip,10,{DIGEST}\n{older}"


@pytest.mark.parametrize(
    "lines",
    [
        ["url,bytes"],
        ["url,bytes,sha256", "u,1,x"],
        ["url,bytes,sha256", "<<<<<<< mine"],
        ["url,bytes,sha256", *2 * [f"u,1,{64 * '0'}"]],
    ],
    ids=str,
)
def test_a_record_that_cannot_be_read_is_explained(project, lines):
    (project / "checksums.csv").write_text("\n".join(lines))
    with pytest.raises(UserError, match=rf"checksums.csv: line {len(lines)} is '{lines[-1]}'; line 1 must"):
        transfer.fetch("file:a.zip", None, None)


def test_a_file_that_is_not_there_is_explained(project):
    for url, problem in [
        ("file:gone.zip", f"no file {project}/gone.zip"),
        ("file:.", "no file"),
        ("file://data/a.zip", "'data' would be a computer; write file:folder/name"),
    ]:
        with pytest.raises(UserError, match=problem):
            transfer.fetch(url, None, None)
