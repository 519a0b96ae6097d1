"""The training stages on very small stores: what the tests of resuming and of several devices share."""

import re
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from tintype import store
from tintype.colorizer import FILE
from tintype.files import sha256, write_json

ROOT = Path(__file__).parents[1]
STEPS, TIMEOUT = 8, 300
NEVER = 10_000.0  # seconds between two saved states
# What a training leaves in its folder, with its name and its fingerprint as stars.
DONE, KEPT = {".resume", "*", f"*/{FILE}", "curve.csv"}, {".resume", ".resume/*.pt", ".resume/*.lock"}


class Training:
    """A stage that trains `model`, in a folder of its own, on what `write_base` made.

    settings: of params.yaml, without their sections.
    """

    def __init__(self, folder: Path, model: str, base: Path, data: str = "data", **settings) -> None:
        self.folder, self.base = folder, base
        self.out, self.curve = folder / folder.name, folder / "curve.csv"
        yaml = YAML()
        params = yaml.load(ROOT / "params.yaml")
        phase = params["pretrain"] if model == "cnn" else params["adversarial"]["shared"]
        sections = [phase, params["training"], params["runtime"], params]
        small = {
            "steps": STEPS,
            "batch_size": 8,
            "patience": None,
            "clip": None,
            "smaller": None,
            "film": 0.5,
        }
        small |= {"precision": "float32", "accumulate": 1, "validate_every": 3}
        small |= {"accelerator": "cpu", "devices": 1, "checkpoint_every": NEVER}
        for key, value in (small | settings).items():
            next(one for one in sections if key in one)[key] = value
        params["generator"] |= {"width": 8, "depth": 2, "output_stride": 1}
        params["classes"] |= {"grid": 40, "neighbours": 3}
        for one in params["adversarial"]["models"].values():
            one["width"] = 8
        folder.mkdir(exist_ok=True)
        yaml.dump(params, folder / "params.yaml")
        self.arguments = ["stages.pretrain_generator"]
        places = {"data": base / data, "out": self.out, "curve": self.curve, "params": folder / "params.yaml"}
        if model != "cnn":
            self.arguments = ["stages.adversarial_train"]
            places |= {"model": model, "init": base / "cnn/cnn", "weights": base / "weights"}
        self.arguments += [f"--{name}={path}" for name, path in places.items()]
        self.environment = {"DVC_ROOT": str(folder), "MLFLOW_TRACKING_URI": f"sqlite:///{base}/mlflow.db"}

    def result(self) -> tuple[str, bytes]:
        return sha256(self.out / FILE), self.curve.read_bytes()

    def files(self) -> set[str]:
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        found -= {"params.yaml", "said"}
        return {re.sub(f"[0-9a-f]{{16}}|{self.out.name}", "*", name) for name in found}

    def runs(self) -> list[Run]:
        """Its runs in MLflow."""
        client = MlflowClient(self.environment["MLFLOW_TRACKING_URI"])
        experiment = client.get_experiment_by_name("tintype").experiment_id
        return list(client.search_runs([experiment], f"tags.model = '{self.out.name}'"))

    def statuses(self) -> list[str]:
        """Those of its runs in MLflow."""
        return [run.info.status for run in self.runs()]


def write_base(base: Path) -> None:
    """Two stores, `data` and `other`, and weights without LPIPS. A training in `cnn` makes the generator."""
    write_store(base / "data", seed=0)
    write_store(base / "other", seed=1)
    (base / "weights").mkdir()
    (base / "weights/manifest.csv").write_text("name,status,sha256,origin,detail\nsqueeze,missing,,,\n")


def write_store(folder: Path, seed: int) -> None:
    """A prepared store of pictures in two colours each."""
    rng, rows = np.random.default_rng(seed), []
    folder.mkdir()
    for split, number in (("train", 24), ("val", 6)):
        L, noise = rng.integers(40, 200, (number, 1, 32, 32)), rng.normal(0, 2, (number, 2, 32, 32))
        ab = rng.integers(70, 190, (number, 2, 1, 2)).repeat(16, axis=3) + noise.round()
        offsets, _ = store.write_shard(folder, f"{split}.bin", np.concatenate([L, L, ab], 1).astype(np.uint8))
        rows += [(split, "a", "", "", "", 0, 0, 0, 32, 32, f"{split}.bin", offset) for offset in offsets]
    write_json(folder / "summary.json", {"ab_histogram": [[-20, 30, 5], [40, 10, 7]]})
    store.write_csv(folder / store.INDEX, store.COLUMNS, rows)
    names = ("train.bin", "val.bin", "summary.json", store.INDEX)
    store.write_contents(folder, {name: sha256(folder / name) for name in names})
