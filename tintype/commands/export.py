"""`tintype export`: a trained model as an ONNX file, for programs that know neither Tintype nor PyTorch."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.commands import FULL
from tintype.console import Failure, UserError

if TYPE_CHECKING:
    from tintype.colorizer import Colorizer

SUFFIX = ".onnx"
EXAMPLES = """\
examples:
  tintype export cnn -o cnn.onnx                    a model by its name
  tintype export models/hints/hinted-1 -o h.onnx    or by its folder

In Python, onnxruntime alone runs it:
  session = onnxruntime.InferenceSession("cnn.onnx")
  (ab,) = session.run(None, {"given": L})           L (N, 1, H, W) float32 in [0, 100]
Models that are told more take more planes: the command prints them, and the file's metadata has them.
"""


def add(subparsers: argparse._SubParsersAction) -> None:
    """Add `export` to the commands of `tintype`."""
    parser = subparsers.add_parser(
        "export",
        help="write a model as ONNX",
        description="Write a trained model as an ONNX file, for pictures of any number, and of any "
        "size in steps of pixels that it prints. The file is kept if ONNX Runtime gives the same colours as "
        "PyTorch, to 1e-3 units of Lab.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="name or folder of a model; `tintype models` lists them")
    parser.add_argument("-o", "--out", type=Path, required=True, help=f"the file to write, *{SUFFIX}")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the file. Raises UserError for what cannot be exported or written, Failure if colours differ."""
    _refuse_out(args.out, args.overwrite)
    from tintype import models  # here, for with these comes PyTorch, and help need not wait for it
    from tintype.colorizer import Colorizer

    done = export(Colorizer.load(models.find(args.model)), args.out)
    if args.json:
        print(json.dumps(done))
        return
    multiple, edge = done["multiple"], "" if done["stride"] == 1 else f" / {done['stride']}"
    planes = ", ".join(f"{plane['name']} ({plane['planes']})" for plane in done["given"])
    total = sum(plane["planes"] for plane in done["given"])
    print(f"{args.out}: {done['bytes'] / 1e6:.1f} MB")
    print(f"  input   given (N, {total}, H, W), H and W multiples of {multiple}; planes: {planes}")
    print(f"  output  {done['output']} (N, {done['channels']}, H{edge}, W{edge})")
    print(f"  differs from PyTorch by at most {done['difference']:.1e} units of Lab")


def export(colorizer: "Colorizer", out: Path) -> dict[str, Any]:
    """Write a model as an ONNX file, once it is known to give the same colours.

    Returns `out`, `bytes`, `given` (name and number of the input's planes), `multiple` (of which its height
    and width have to be), `output`, its `channels` and `stride`, and the largest `difference`. Raises
    UserError where it cannot be exported, or the file not be written, and Failure where colours differ.
    """
    from tintype import onnx_export
    from tintype.files import new_file

    model = onnx_export.to_onnx(colorizer)
    try:
        with new_file(out) as file:
            file.write_bytes(model)
            difference = onnx_export.difference(file, colorizer)
            if not difference <= onnx_export.TOLERANCE:
                raise Failure(
                    f"{out}: ONNX Runtime's colours differ from PyTorch's by {difference:.1e} units of Lab, "
                    f"allowed: {onnx_export.TOLERANCE}; nothing is kept, and --runtime torch is to be trusted"
                )
    except OSError as error:
        kind = Failure if error.errno in FULL else UserError
        raise kind(f"{out}: {error.strerror or error}; name another place with -o, or make room") from error
    about = {name: json.loads(value) for name, value in onnx_export.described(colorizer).items()}
    return {
        "out": str(out),
        "bytes": len(model),
        "given": [{key: plane[key] for key in ("name", "planes")} for plane in about["given"]],
        "multiple": about["multiple"],
        "output": about["answer"]["name"],
        "channels": 3 if colorizer.space.whole else 2,
        "stride": about["answer"]["stride"],
        "difference": difference,
    }


def _refuse_out(out: Path, overwrite: bool) -> None:
    if out.suffix.lower() != SUFFIX:
        raise UserError(f"{out}: allowed: a name that ends in {SUFFIX}")
    if out.is_dir():
        raise UserError(f"{out}: found a folder, allowed: the name of a file to write")
    if out.exists() and not overwrite:
        raise UserError(f"{out}: it is there already; `--overwrite` replaces it")
