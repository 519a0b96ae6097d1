"""The networks behind figures: those that are there judge, the others are missed by name."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from safetensors.torch import load_file

from tintype import scoring, set_metrics
from tintype.batch import Batch
from tintype.console import UserError
from tintype.feature_networks import Squeeze
from tintype.judges import Judges
from tintype.sources import backbones

PHOTOGRAPHS = ["a", "a", "b", "c"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with random weights of SqueezeNet, and a line that says why Inception's are missing."""
    folder, file = tmp_path_factory.mktemp("weights"), tmp_path_factory.mktemp("file") / "squeeze.pth"
    torch.manual_seed(0)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), file)
    backbones.gather(SimpleNamespace(nets={"squeeze": str(file)}), folder)
    table = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    table.loc[1] = ["inception", backbones.NOT_AVAILABLE, "", "", "no network, no file"]
    table.to_csv(folder / "manifest.csv", index=False)
    return folder


def judges(weights, labels=(), **wanted) -> Judges:
    nothing = {"lpips": "squeeze", "fid": None, "kid": None, "top1": None}
    return Judges(SimpleNamespace(**nothing | wanted), weights, "cpu", labels)


def answered() -> list[tuple[Batch, torch.Tensor]]:
    """Four pictures in two batches, coloured wrongly."""
    rng = np.random.default_rng(0)
    batches = [Batch.of_records(rng.integers(110, 146, (2, 4, 32, 32), dtype=np.uint8)) for _ in range(2)]
    return [(batch, torch.cat([batch.L, batch.ab.flip(1)], dim=1)) for batch in batches]


def test_what_is_there_judges_and_what_is_not_is_missed_by_name_and_reason(weights):
    found = judges(weights, fid="inception", kid="squeeze")
    assert list(found.each) == ["lpips_squeeze"]
    assert found.missing == {"fid_inception": "not available: no network, no file"}
    rgb = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert found.each["lpips_squeeze"](rgb, rgb).tolist() == [0, 0]
    list(found.passing(answered()))
    assert found.of_set(PHOTOGRAPHS).keys() == {"kid_squeeze", "kid_squeeze_low", "kid_squeeze_high"}


def test_figures_of_sets_are_those_of_all_pictures_that_passed(weights):
    found = judges(weights, fid="squeeze", kid="squeeze")
    passed = list(found.passing(answered()))
    pictures = [scoring.pictures(batch, lab) for batch, lab in passed]
    network = Squeeze(load_file(backbones.available(weights)["squeeze"]))
    features = [network(torch.cat(both)) for both in zip(*pictures, strict=True)]
    figures = found.of_set(PHOTOGRAPHS)
    assert figures["fid_squeeze"] == pytest.approx(set_metrics.frechet_distance(*features), rel=1e-4)
    kid = set_metrics.kernel_distance(*features, PHOTOGRAPHS)
    assert figures["kid_squeeze"] == pytest.approx(kid, rel=1e-4)
    assert figures["kid_squeeze_low"] <= figures["kid_squeeze"] <= figures["kid_squeeze_high"]


def test_kid_of_one_photograph_is_missed_with_its_reason(weights):
    found = judges(weights, kid="squeeze")
    list(found.passing(answered()))
    assert found.of_set(["a"] * 4) == {}
    assert "there is one" in found.missing["kid_squeeze"]


def test_a_class_is_right_where_it_is_the_labels(weights, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("".join(f"n{number:08d} thing\n" for number in range(1000)))
    wanted = SimpleNamespace(net="squeeze", classes=str(classes))
    found = judges(weights, ["n00000003", "n00000007", "n00000006"], top1=wanted)
    assert list(found.each) == ["lpips_squeeze", "top1_squeeze", "true_top1_squeeze"]
    rows = pd.DataFrame({"top1_squeeze": [3, 4, 5], "true_top1_squeeze": [3, 4, 6], "psnr": [1.0, 2, 3]})
    right = found.right(rows)
    assert right["top1_squeeze"].tolist() == [100, 0, 0]
    assert right["true_top1_squeeze"].tolist() == [100, 0, 100] and right["psnr"].equals(rows["psnr"])
    with pytest.raises(UserError, match="cat"):
        judges(weights, ["cat", "n00000007", "n00000006"], top1=wanted)
    assert "no labels" in judges(weights, ["", ""], top1=wanted).missing["top1_squeeze"]


def test_nothing_wanted_costs_nothing(weights):
    found = judges(weights)
    passed = list(found.passing(answered()))
    assert len(passed) == 2 and found.of_set(PHOTOGRAPHS) == {}
