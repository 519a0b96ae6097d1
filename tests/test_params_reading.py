"""params.yaml as text: read as DVC reads it; whatever is no YAML is refused with its place."""

import json
import re
from pathlib import Path

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype import params
from tintype.console import UserError

TREE = load_yaml(Path(__file__).parents[1] / "params.yaml")


def test_numbers_are_read_as_dvc_reads_them(file):
    text = json.dumps(TREE)
    for written, value in [("1e-4", 1e-4), ("1.0e-4", 1e-4), (".5", 0.5), ("1", 1.0), ("+3E-2", 0.03)]:
        file.write_text(re.sub(r'"lr": [^,}]+', f'"lr": {written}', text, count=1))
        assert params.load(file).pretrain.lr == load_yaml(file)["pretrain"]["lr"] == value


@pytest.mark.parametrize(
    ("written", "problem"),
    [("yes", 'found "yes"'), ("on", 'found "on"'), ("1", "found 1"), ("", "found null")],
)
def test_only_true_and_false_are_true_and_false(file, written, problem):
    file.write_text(re.sub(r'"flip": [a-z]+', f'"flip": {written}', json.dumps(TREE), count=1))
    with pytest.raises(UserError, match=rf"flip: {problem}, allowed: true or false"):
        params.load(file)


@pytest.mark.parametrize("written", [".nan", ".inf", "-.inf"])
def test_numbers_are_finite(file, written):
    file.write_text(re.sub(r'"lr": [^,}]+', f'"lr": {written}', json.dumps(TREE), count=1))
    with pytest.raises(UserError, match=r"pretrain\.lr: found -?(nan|inf), allowed: a number greater than 0"):
        params.load(file)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"seed: 1\nseed: 2\n", 'line 2, column 1: not valid YAML: found duplicate key "seed"'),
        (b"seed: 1\nx: {lr: 1, lr: 1}\n", 'line 2, column 12: not valid YAML: found duplicate key "lr"'),
        (b"seed: 1\n  steps: 2\n", "line 2, column 8: not valid YAML: mapping values are not allowed here"),
        (b"seed: [1\n", "line 2, column 1: not valid YAML: "),
        (b"pretrain:\n\tsteps: 1\n", r"line 2, column 1: not valid YAML: found character '\t'"),
        (b"seed: *one\n", "line 1, column 7: not valid YAML: found undefined alias"),
        (b"seed: !!python/name:os.system\n", "line 1, column 7: not valid YAML: could not determine"),
        (b"seed: 1\ngrey: \x07\n", "line 2, column 7: remove the character U+0007"),
        (b"seed: \xff\n", "cannot be read: 'utf-8' codec can't decode byte 0xff in position 6"),
        (b"seed: 2001-99-99\n", "cannot be read: month must be in 1..12"),
        (b"seed: " + b"[" * 1000, "cannot be read: maximum recursion depth exceeded"),
        (b"", "found null, allowed: a mapping with the keys seed, download, "),
        (b"[seed, 1]\n", "found ['seed', 1], allowed: a mapping with the keys seed, download, "),
    ],
)
def test_what_is_not_yaml_or_no_mapping_is_refused_with_its_place(file, content, problem):
    file.write_bytes(content)
    with pytest.raises(UserError) as error:
        params.load(file)
    assert str(error.value).startswith(f"{file}: {problem}")


PIECES = [
    *" \n\t:,-?[]{}&*!|>'\"%#~x1.\0",
    "\n  ",
    "- ",
    "a: ",
    "!!int ",
    "!!set ",
    "!!omap ",
    "<<: ",
    "2001-99-01",
]


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")
@settings(derandomize=True, deadline=None, max_examples=300, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_no_text_however_broken_ends_in_anything_but_a_complaint(file, text):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        params.load(file)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such file; run from the project's folder"):
        params.load(tmp_path / "nowhere.yaml")
    with pytest.raises(UserError, match="cannot be read: "):
        params.load(tmp_path)
