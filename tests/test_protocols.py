"""Protocols: the recipes of published tables are followed in every value, or their name may not be used."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tintype import params, protocols
from tintype.console import UserError

ROOT = Path(__file__).parents[1]


def written(protocol: str) -> dict:
    """The project's params with the entries that docs/metrics.md has for a protocol."""
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    block = re.search(rf"```yaml\n# {protocol}\b.*?```", text, re.S)[0].strip("`").removeprefix("yaml")
    update(tree, YAML(typ="safe").load(block))
    return tree


def update(tree: dict, changes: dict) -> None:
    for key, value in changes.items():
        # A source or a layout of another kind has keys of its own.
        if isinstance(value, dict) and isinstance(tree.get(key), dict) and key not in ("photos", "input"):
            update(tree[key], value)
        else:
            tree[key] = value


def load(tree: dict, file: Path) -> params.Params:
    YAML().dump(tree, file)
    return params.load(file)


@pytest.mark.parametrize("protocol", ["ctest10k", "val5k"])
def test_the_documented_entries_are_the_protocol(protocol, file):
    loaded = load(written(protocol), file)
    assert loaded.evaluate.protocol == protocol
    assert loaded.download.photos.test == protocol and loaded.prepare.photos.side == 256


@pytest.mark.parametrize("protocol", ["ctest10k", "val5k"])
def test_each_value_of_a_protocol_is_insisted_on(protocol, file):
    other = {"download.photos.test": "val5k" if protocol == "ctest10k" else "ctest10k"}
    other |= {"prepare.photos.side": 128, "prepare.photos.input.test": "luma601"}
    other |= {"prepare.photos.fit": "crop" if protocol == "ctest10k" else "squash"}
    other |= {f"prepare.photos.filters.{key}": 2 for key in ("min_side", "near_duplicates")}
    other |= {"prepare.photos.filters.min_chroma": 0.5}
    tree = written(protocol)
    assert set(other) | {"download.photos.source", "prepare.photos.layout"} == set(
        protocols.PROTOCOLS[protocol].values
    )
    for path, value in other.items():
        changed = deepcopy(tree)
        *sections, key = path.split(".")
        section = changed
        for name in sections:
            section = section[name]
        section[key] = value
        with pytest.raises(UserError, match=f"{path}: .* with evaluate.protocol {protocol}, or the protocol"):
            load(changed, file)


def test_the_projects_own_pictures_are_no_published_protocol(file):
    tree = YAML(typ="safe").load(ROOT / "params.yaml")
    tree["evaluate"]["protocol"] = "val5k"
    with pytest.raises(UserError, match=r'photos\.source: found "bundled", allowed: "imagenet" with'):
        load(tree, file)


def test_a_protocol_is_of_so_many_pictures():
    protocols.refuse_other("native", 7)
    protocols.refuse_other("val5k", 5000)
    with pytest.raises(UserError, match="val5k is of 5,000 pictures, the test split has 4,999"):
        protocols.refuse_other("val5k", 4999)
