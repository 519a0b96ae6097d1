"""Make a trained model one that comes with the package: the same, in half precision.

    python -m stages.ship --model models/release/gan-1 --out tintype/weights/gan.safetensors

`tintype.models` finds it there, and its figures, a file of reports/metrics, as gan.json beside it.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from tintype import model_file
from tintype.colorizer import FILE, Colorizer, file_of
from tintype.console import UserError, run
from tintype.files import new_file
from tintype.onnx_export import pictures, refuse_colourless

LARGEST = 15_000_000  # bytes: each copy of the code, and each install, carries all of them
APART = 0.5  # units of Lab, on average, by which colours may differ; people see about 2


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="the model's folder, or its file")
    parser.add_argument("--out", type=Path, required=True, help="*.safetensors to write")
    args = parser.parse_args(argv)
    if args.out.suffix != Path(FILE).suffix:
        raise UserError(f"--out: found {args.out}, allowed: a name that ends in {Path(FILE).suffix}")
    file = file_of(args.model)
    model = Colorizer.load(file)
    refuse_colourless(model)
    about, tensors = model_file.read(file)

    with new_file(args.out) as unfinished:
        model_file.write(unfinished, halved(tensors, file), about)
        size = unfinished.stat().st_size
        if size > LARGEST:
            raise UserError(
                f"{file}: found {size / 1e6:.1f} MB in half precision, allowed: {LARGEST / 1e6:g} MB; ship a "
                "model with a smaller `generator`"
            )
        apart = difference(model, Colorizer.load(unfinished))
        if not apart <= APART:
            raise UserError(
                f"{file}: in half precision, its colours differ by {apart:.2f} units of Lab on average, "
                f"allowed: {APART}; ship another model, such as one of another seed"
            )
    print(f"{args.out}: {size / 1e6:.1f} MB; colours differ by {apart:.1e} units of Lab on average")


def halved(tensors: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The weights of layers as float16, the rest as it is. Raises UserError where one isn't finite.

    Biases and the statistics of batch normalisation, which are few, stay: a variance may be large.
    """
    halves = {name: t.half() if t.is_floating_point() and t.dim() > 1 else t for name, t in tensors.items()}
    lost = [name for name, tensor in halves.items() if not tensor.isfinite().all()]
    if lost:
        raise UserError(
            f"{file}: found weights that are not finite in half precision ({', '.join(lost)}), allowed: up "
            f"to {torch.finfo(torch.float16).max:g}; train it with more weight decay, or a lower lr"
        )
    return halves


@torch.no_grad()
def difference(model: Colorizer, other: Colorizer) -> float:
    """By how much two models' colours of random pictures differ on average, in units of Lab."""
    batch = pictures(model, 4, (96, 144))
    return (model.colours(batch) - other.colours(batch)).norm(dim=1).mean().item()


if __name__ == "__main__":
    run(main)
