"""What sources promise: the same bytes each time, manifests to be trusted, absence said and not hidden."""

import functools
import http.server
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from safetensors.torch import load_file

from tintype.console import UserError
from tintype.files import sha256
from tintype.images import decode
from tintype.sources import backbones, bundled, manifest

REAL_WEIGHTS = Path(__file__).parents[2] / "shared" / "weights" / "squeezenet1_1_torchvision_fp16.npz"
COLOUR = SimpleNamespace(source="bundled", pictures="colour")
GREY = SimpleNamespace(source="bundled", pictures="grey")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def row(path: str, **changed: object) -> dict[str, object]:
    values = {
        "sha256": "0" * 64,
        "width": 3,
        "height": 2,
        "source": "a camera",
        "licence": "CC0",
        "group": "g",
    }
    return {"path": path} | values | changed


# The manifest


def test_a_manifest_reads_back_as_it_was_written(tmp_path):
    rows = [
        row("b/é, 1.png", group="NA"),
        row("a.png", licence='"none", they say', group="007", source="null"),
    ]
    written = manifest.write(tmp_path, rows)
    pd.testing.assert_frame_equal(manifest.read(tmp_path), written)
    assert list(written.columns) == manifest.COLUMNS
    assert list(written["path"]) == ["a.png", "b/é, 1.png"]
    assert list(written["group"]) == ["007", "NA"] and written["source"][0] == "null"
    assert written["width"].dtype == written["height"].dtype == np.int64


def test_a_manifest_does_not_depend_on_the_order_of_its_rows(tmp_path):
    rows = [row("b.png"), row("a.png", width=5), row("c.png")]
    written = []
    for some in (rows, rows[::-1], [dict(reversed(r.items())) for r in rows]):
        manifest.write(tmp_path, some)
        written.append((tmp_path / "manifest.csv").read_bytes())
    assert written[0] == written[1] == written[2]
    assert (
        written[0].startswith(b"path,sha256,width,height,source,licence,group\na.png,")
        and b"\r" not in written[0]
    )


def test_a_manifest_without_pictures_can_be_read(tmp_path):
    manifest.write(tmp_path, [])
    assert manifest.read(tmp_path).empty


@pytest.mark.parametrize("path", ["", ".", "/etc/a.png", "../a.png", "a/../../b.png", "a\\b.png"])
def test_paths_stay_inside_the_folder(tmp_path, path):
    with pytest.raises(ValueError, match="inside"):
        manifest.write(tmp_path, [row(path)])
    pd.DataFrame([row(path)]).to_csv(tmp_path / "manifest.csv", index=False)
    with pytest.raises(UserError, match="inside"):
        manifest.read(tmp_path)


def test_rows_with_other_columns_or_a_path_twice_are_not_written(tmp_path):
    for rows, problem in [
        ([{"path": "a.png"}], "holds path, sha256"),
        ([row("a.png", extra=1)], "extra"),
        ([row("a.png"), row("a.png")], "twice"),
    ]:
        with pytest.raises(ValueError, match=problem):
            manifest.write(tmp_path, rows)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such file"),
        ("", "columns are ;"),
        ("path,width\na.png,3\n", "columns are path, width"),
        ("path,sha256,width,height,source,licence,group\na,0,3.5,2,s,l,g\n", "width is '3.5' in row 1"),
        ("path,sha256,width,height,source,licence,group\na,0,3,,s,l,g\n", "height is '' in row 1"),
        ("path,sha256,width,height,source,licence,group\na,0,3,2,s,l,g\na,0,3,2,s,l,g\n", "twice"),
        ("path,sha256,width,height,source,licence,group\na,0,3,2,s,l,g,more\n", "row 1 has 8 fields"),
        ('path,"sha256\n', "not a table"),
        ("path,sha256,width,height,source,licence,group\na,0,3,2\n", "row 1 has 4 fields"),
    ],
)
def test_a_manifest_that_is_missing_or_wrong_is_explained(tmp_path, text, problem):
    if text is not None:
        (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(UserError, match=problem) as caught:
        manifest.read(tmp_path)
    assert str(tmp_path / "manifest.csv") in str(caught.value) and "dvc repro" in str(caught.value)


# The bundled pictures


@pytest.fixture(scope="module", params=[COLOUR, GREY], ids=["colour", "grey"])
def gathered(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.pictures)
    bundled.gather(request.param, folder)
    return request.param, folder, manifest.read(folder)


def test_the_manifest_lists_every_bundled_picture_truthfully(gathered):
    settings, folder, table = gathered
    assert len(table) == {"colour": 11, "grey": 7}[settings.pictures]
    assert {*table["path"], "manifest.csv"} == set(contents(folder))
    for entry in table.itertuples():
        assert sha256(folder / entry.path) == entry.sha256
        assert decode(folder / entry.path).shape == (entry.height, entry.width, 3)
        assert entry.licence.strip() and entry.source.strip() and entry.group.strip()


def test_bundled_pictures_are_copied_unchanged(gathered):
    _, folder, table = gathered
    for entry in table.itertuples():
        package, inside = entry.source.split(": ")[1].split("/", 1)
        origin = Path(find_spec(package).submodule_search_locations[0]) / inside
        assert (folder / entry.path).read_bytes() == origin.read_bytes()


def test_colour_pictures_are_colourful_and_grey_ones_grey(gathered):
    settings, folder, table = gathered
    for path in table["path"]:
        spread = np.ptp(decode(folder / path).astype(int), axis=2)
        assert spread.mean() > 8 if settings is COLOUR else spread.max() == 0, path


def test_gathering_again_gives_the_same_bytes(gathered, tmp_path):
    settings, folder, _ = gathered
    bundled.gather(settings, tmp_path)
    assert contents(tmp_path) == contents(folder)


def test_the_stereo_pair_is_one_group_and_every_other_picture_its_own(gathered):
    _, _, table = gathered
    pair = table["path"].str.startswith("motorcycle_")
    assert set(table["group"][pair]) <= {"motorcycle"}
    assert list(table["group"][~pair]) == [Path(path).stem for path in table["path"][~pair]]


def test_a_picture_or_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(bundled.PICTURES, "grey", [bundled.Picture("skimage/data/nowhere.png", "CC0")])
    with pytest.raises(
        UserError, match=r"scikit-image \d.* holds no skimage/data/nowhere.png.*requirements.txt"
    ):
        bundled.gather(GREY, tmp_path)
    monkeypatch.setattr(bundled, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=r"scikit-image is not installed.*requirements.txt"):
        bundled.gather(GREY, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "bundled.gather(SimpleNamespace(pictures='grey'), Path(sys.argv[1]))",
        "Path(sys.argv[1], 'manifest.csv').write_text('name,status,sha256,origin,detail\\n');"
        "backbones.available(Path(sys.argv[1]))",
    ],
    ids=["bundled", "reading backbones"],
)
def test_heavy_packages_are_not_imported_without_need(tmp_path, statement):
    code = (
        "import sys; from pathlib import Path; from types import SimpleNamespace;"
        f"from tintype.sources import backbones, bundled; {statement};"
        "print(sorted({'torch', 'torchvision', 'skimage', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Backbones


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A random state dict of the right network, in half precision as weights often travel."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.squeezenet1_1(weights=None).half().state_dict()


@pytest.fixture(autouse=True)
def no_cache_and_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    closed = socket.create_server(("127.0.0.1", 0))  # bound for the moment it takes to know a free port
    port = closed.getsockname()[1]
    closed.close()
    monkeypatch.setattr(backbones, "_url", lambda name: f"http://127.0.0.1:{port}/squeezenet1_1-b8a52dc0.pth")


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def gather(out: Path, squeeze: Path | None) -> pd.Series:
    table = backbones.gather(SimpleNamespace(net="squeeze", file=squeeze and str(squeeze)), out)
    return table.set_index("name").loc["squeeze"]


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["mine.npz", "mine.pth"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_named_file_becomes_float32_features(tmp_path, out, state, name, dtype):
    state = {key: tensor.to(dtype) for key, tensor in state.items()}
    found = gather(out, save(tmp_path / name, state))
    file = backbones.available(out)["squeeze"]
    kept = load_file(file)
    assert set(kept) == {key for key in state if key.startswith("features.")}
    for key, tensor in kept.items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, state[key].float())
    assert found["sha256"] == sha256(file)
    assert found["origin"] == f"file in params: {name}, sha256 {sha256(tmp_path / name)}"
    assert backbones.why_not(out, "squeeze") == ""
    before = contents(out)
    gather(out, tmp_path / name)
    assert contents(out) == before


@pytest.mark.skipif(
    not REAL_WEIGHTS.exists(), reason="the real SqueezeNet weights are not beside this project"
)
def test_real_weights_are_taken(out):
    gather(out, REAL_WEIGHTS)
    kept = load_file(backbones.available(out)["squeeze"])
    network = torchvision.models.squeezenet1_1(weights=None)
    network.load_state_dict(kept | {k: v for k, v in network.state_dict().items() if k not in kept})
    assert kept["features.0.weight"].std() > 0.05  # trained filters, not the small ones of initialisation


def test_absence_is_recorded_with_a_remedy_and_no_trace_of_the_machine(tmp_path, out):
    first = gather(out, None)
    assert first["status"] == "not available" and first["sha256"] == "" and first["origin"] == ""
    assert backbones.available(out) == {}
    reason = backbones.why_not(out, "squeeze")
    assert "download.weights.file" in reason and "dvc repro -f download@weights" in reason
    before = contents(out)
    assert set(before) == {"manifest.csv"}
    assert str(tmp_path).encode() not in before["manifest.csv"] and b"127.0.0.1" not in before["manifest.csv"]
    gather(out, None)
    assert contents(out) == before


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A loopback server of the folder it returns."""
    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()

        def offer(name: str) -> None:
            monkeypatch.setattr(backbones, "_url", lambda _: f"http://127.0.0.1:{serving.server_port}/{name}")

        yield served, offer
        serving.shutdown()


def test_a_download_lands_in_the_cache_and_gives_the_same_bytes_as_the_cache_does(
    tmp_path, out, state, server
):
    served, offer = server
    digest = sha256(save(served / "weights.pth", state))
    name = f"squeezenet1_1-{digest[:8]}.pth"
    (served / "weights.pth").rename(served / name)
    offer(name)
    assert gather(out, None)["origin"] == f"torch cache: {name}, sha256 {digest}"
    downloaded = contents(out)
    (served / name).unlink()
    gather(out, None)
    assert contents(out) == downloaded
    cached = tmp_path / "torch" / "hub" / "checkpoints" / name
    cached.write_bytes(cached.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{name}: damaged.*delete it"):
        gather(out, None)


def test_a_download_with_another_digest_is_not_taken(tmp_path, out, state, server):
    served, offer = server
    save(served / "squeezenet1_1-00000000.pth", state)
    for name in ("squeezenet1_1-00000000.pth", "squeezenet1_1-nowhere.pth"):
        offer(name)
        assert gather(out, None)["status"] == "not available"
        assert not list((tmp_path / "torch").rglob("*.pth"))


def test_a_download_waits_for_seconds_only_and_leaves_the_default_as_it_was(out, monkeypatch):
    seen = []

    def download(*args, **kwargs):
        seen.append(socket.getdefaulttimeout())
        raise TimeoutError

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert gather(out, None)["status"] == "not available"
    assert seen == [backbones.TIMEOUT] and socket.getdefaulttimeout() is None


def wrong(state: dict[str, torch.Tensor], key: str, value: torch.Tensor | None) -> dict[str, torch.Tensor]:
    changed = {name: tensor for name, tensor in state.items() if name != key}
    return changed if value is None else changed | {key: value}


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("features.0.bias", None, "features.0.bias is missing"),
        ("features.0.bias", torch.zeros(63), r"features.0.bias has shape \(63,\) instead of \(64,\)"),
        ("features.0.bias", torch.zeros(64, dtype=torch.int64), "features.0.bias holds something else"),
        ("features.0.bias", torch.full((64,), torch.nan), "features.0.bias holds something else"),
        ("features.99.bias", torch.zeros(1), "features.99.bias is unknown"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, out, state, suffix, key, value, problem):
    path = save(tmp_path / f"mine{suffix}", wrong(state, key, value))
    with pytest.raises(UserError, match=f"download.weights.file: .*squeezenet1_1: {problem}"):
        gather(out, path)
    assert not list(out.iterdir())


def test_a_named_file_that_cannot_be_read_is_explained(tmp_path, out, state):
    whole = {suffix: save(tmp_path / f"whole{suffix}", state).read_bytes() for suffix in (".npz", ".pth")}
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, features=np.array([{}], dtype=object))
    script = tmp_path / "script.pth"
    torch.save({"features.0.bias": SimpleNamespace()}, script)
    nested = tmp_path / "nested.pth"
    torch.save({"state_dict": state}, nested)
    cases = [
        (tmp_path / "gone.pth", "no such file"),
        (tmp_path, "no such file"),
        (nested, "not a state dict"),
    ]
    cases += [(pickled, "weights and nothing else"), (script, "weights and nothing else")]
    for name, content, problem in [
        ("a.bin", b"", "must end in .pth"),
        ("a.npz", b"", "damaged"),
        ("a.pth", b"", "damaged"),
        ("b.npz", b"rubbish", "damaged"),
        ("b.pth", b"rubbish", "damaged"),
        ("c.npz", whole[".npz"][:-5000], "damaged"),
        ("c.pth", whole[".pth"][:-5000], "damaged"),
    ]:
        (tmp_path / name).write_bytes(content)
        cases.append((tmp_path / name, problem))
    for path, problem in cases:
        with pytest.raises(UserError, match=f"download.weights.file: .*{path.name}: .*{problem}"):
            gather(out, path)
    assert not list(out.iterdir())


def test_readers_are_told_what_is_wrong_with_a_folder_of_backbones(tmp_path, out, state):
    with pytest.raises(UserError, match="no such file"):
        backbones.available(out)
    gather(out, save(tmp_path / "mine.npz", state))
    with pytest.raises(UserError, match="no backbone 'alex'; there is squeeze"):
        backbones.why_not(out, "alex")
    (out / "squeeze.safetensors").unlink()
    with pytest.raises(UserError, match=r"squeeze.safetensors: missing"):
        backbones.available(out)
