"""That an installed Tintype has all it reads: files of the package that are no Python."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_file_that_is_no_python_is_packaged():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = setup["tool"]["setuptools"]["package-data"]["tintype"]
    found = {
        file.relative_to(ROOT / "tintype").as_posix()
        for file in (ROOT / "tintype").rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc") and not file.name.startswith(".")
    }
    found |= {"weights/gan.safetensors", "weights/gan.json"}
    assert "report/page.css" in found
    assert [name for name in sorted(found) if not any(fnmatch(name, of) for of in patterns)] == []
