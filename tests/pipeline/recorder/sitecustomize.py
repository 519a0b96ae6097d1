"""Put on PYTHONPATH by the pipeline tests: writes down which of the project's files each stage imported."""

import atexit
import os
import sys
from pathlib import Path


def _record() -> None:
    root = Path(os.environ["RECORD_ROOT"])
    files = {
        Path(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)
    }
    ours = sorted(file.relative_to(root).as_posix() for file in files if file.is_relative_to(root))
    out = Path(os.environ["RECORD_INTO"], os.environ["DVC_STAGE"])
    with out.open("a") as record:
        record.writelines(f"{file}\n" for file in ours)


if "DVC_STAGE" in os.environ and "RECORD_INTO" in os.environ:
    atexit.register(_record)
