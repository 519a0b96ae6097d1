"""What the source "backbones" promises: weights that are checked, and absence said and not hidden."""

import functools
import http.server
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from dvc.utils.serialize import load_yaml
from safetensors.torch import load_file

from tintype.console import UserError
from tintype.files import sha256
from tintype.networks.encoders import Encoder
from tintype.sources import backbones, manifest

ROOT = Path(__file__).parents[1]
REAL_WEIGHTS = Path(__file__).parents[2] / "shared" / "weights" / "squeezenet1_1_torchvision_fp16.npz"
REAL_URL = backbones._url
METRICS = ["squeeze", "alex", "vgg", "inception", "torchvision_inception"]
ENCODERS = ["alexnet", "vgg16", "resnet18", "resnet50", "resnet152", "inception_v3", "squeezenet1_1"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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


def gather(out: Path, file: Path | None, net: str = "squeeze") -> pd.Series:
    file = file and str(file)
    encoder = SimpleNamespace(net=net, file=file)
    line = backbones.gather(encoder if net in ENCODERS else SimpleNamespace(nets={net: file}), out)
    (row,) = manifest.load_csv(out / "manifest.csv", backbones.COLUMNS).iloc
    assert line == f"{net}: {row['status']}"
    return row


def save(path: Path, state: dict[str, torch.Tensor]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in state.items()})
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["mine.npz", "mine.pth"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_named_file_becomes_float32_weights(tmp_path, out, state, name, dtype):
    state = {key: tensor.to(dtype) for key, tensor in state.items()}
    found = gather(out, save(tmp_path / name, state))
    file = backbones.available(out)["squeeze"]
    kept = load_file(file)
    assert set(kept) == set(state)
    for key, tensor in kept.items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, state[key].float())
    assert found["sha256"] == sha256(file)
    assert found["origin"] == f"file in params: {name}, sha256 {sha256(tmp_path / name)}"
    assert backbones.why_not(out, "squeeze") == backbones.why_no_classifier(out, "squeeze") == ""
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
    network.load_state_dict(kept)
    assert kept["features.0.weight"].std() > 0.05  # trained filters, not the small ones of initialisation


def test_absence_is_recorded_with_a_remedy_and_no_trace_of_the_machine(tmp_path, out):
    first = gather(out, None)
    assert first["status"] == "not available" and first["sha256"] == "" and first["origin"] == ""
    assert backbones.available(out) == {}
    reason = backbones.why_not(out, "squeeze")
    assert reason == (
        "squeezenet1_1 is not in torch's cache and could not be downloaded; name a file of its weights under "
        "download.weights.nets.squeeze in params.yaml and run `dvc repro`, or connect to the network and run "
        "`dvc repro -f download@weights`"
    )
    assert backbones.why_no_classifier(out, "squeeze") == reason
    before = contents(out)
    assert set(before) == {"manifest.csv"}
    assert str(tmp_path).encode() not in before["manifest.csv"] and b"127.0.0.1" not in before["manifest.csv"]
    gather(out, None)
    assert contents(out) == before


def test_a_file_without_a_classifier_does_but_for_what_needs_one(tmp_path, out, state):
    features = {key: tensor for key, tensor in state.items() if key.startswith("features.")}
    found = gather(out, save(tmp_path / "mine.npz", features))
    assert found["status"] == "available" and backbones.why_not(out, "squeeze") == ""
    assert set(load_file(backbones.available(out)["squeeze"])) == set(features)
    assert backbones.why_no_classifier(out, "squeeze") == (
        "mine.npz has no classifier; name a file of all of torchvision's squeezenet1_1 under "
        "download.weights.nets.squeeze in params.yaml and run `dvc repro`"
    )


def test_the_networks_that_are_named_are_gathered_and_no_others(tmp_path, out, state, monkeypatch):
    sought = []
    closed = backbones._url
    monkeypatch.setattr(backbones, "_url", lambda name: sought.append(name) or closed(name))
    nets = {"inception": None, "squeeze": str(save(tmp_path / "mine.npz", state)), "vgg": None}
    line = backbones.gather(SimpleNamespace(nets=nets), out)
    assert line == "inception: not available, squeeze: available, vgg: not available"
    assert sought == ["inception", "vgg"]
    assert backbones.listed(out) == list(nets) and list(backbones.available(out)) == ["squeeze"]
    assert set(contents(out)) == {"manifest.csv", "squeeze.safetensors"}
    reason = backbones.why_not(out, "inception")
    assert reason.startswith("inception-2015-12-05 is not in torch's cache")
    assert "download.weights.nets.inception in params.yaml" in reason


def torch_fidelitys(seed: int) -> dict[str, torch.Tensor]:
    """A random state dict of torch-fidelity's Inception."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {key: t.shape for key, t in backbones.skeleton("inception").state_dict().items()}
    return {key: torch.rand(shape, generator=generator) for key, shape in shapes.items()}


def test_torch_fidelitys_inception_is_kept_without_its_classifier(tmp_path, out):
    state = torch_fidelitys(0)
    path = save(tmp_path / "mine.pth", state)
    assert gather(out, path, "inception")["status"] == "available"
    kept = load_file(backbones.available(out)["inception"])
    assert set(state) - set(kept) == {
        key for key in state if key.startswith("fc.") or key.endswith(".num_batches_tracked")
    }
    assert len(kept) == 5 * 94  # each convolution has a weight, and the four of batch normalisation after it
    assert all(torch.equal(tensor, state[key]) for key, tensor in kept.items())
    del state["Mixed_7c.branch1x1.bn.bias"]
    problem = "torch-fidelity's inception-2015-12-05: Mixed_7c.branch1x1.bn.bias is missing"
    with pytest.raises(UserError, match=f"download.weights.nets.inception: .*not the weights of {problem}"):
        gather(out, save(path, state), "inception")


def test_torch_fidelitys_inception_comes_from_where_torch_fidelity_looks():
    url = REAL_URL("inception")
    assert re.fullmatch(r"https://[^ ]*torch-fidelity/[^ ]*/weights-inception-2015-12-05-6726825d\.pth", url)
    assert REAL_URL("torchvision_inception") == REAL_URL("inception_v3")


@pytest.mark.parametrize("net", METRICS)
def test_a_skeleton_takes_no_memory_and_draws_nothing(net):
    state = torch.get_rng_state()
    network = backbones.skeleton(net)
    assert torch.equal(torch.get_rng_state(), state) and not network.training
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}


def random_encoder(net: str) -> torch.nn.Module:
    """torchvision's network with random weights, and running statistics that are not those of a new one."""
    net = backbones.BACKBONES[net]
    settings = {"init_weights": False} if net == "inception_v3" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.get_model(net, weights=None, **settings).eval()
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return network


def test_as_an_encoder_squeezenet_is_kept_without_its_classifier(tmp_path, out, state):
    gather(out, save(tmp_path / "mine.npz", state), "squeezenet1_1")
    kept = load_file(backbones.available(out)["squeezenet1_1"])
    features = {key for key in state if key.startswith("features.")}
    assert set(kept) == features < set(state)
    assert all(torch.equal(tensor, state[key].float()) for key, tensor in kept.items())
    encoder = Encoder("squeezenet1_1")
    encoder.load_imagenet(kept)
    assert torch.equal(encoder.layers[3].squeeze.weight, kept["features.3.squeeze.weight"])


@pytest.mark.parametrize("net", ["resnet18", "inception_v3", "torchvision_inception"])
def test_an_encoder_is_everything_but_the_classifier(tmp_path, out, net):
    network = random_encoder(net)
    path = save(tmp_path / "mine.pth", network.state_dict())
    found = gather(out, path, net)
    assert found["sha256"] == sha256(out / f"{net}.safetensors")
    kept = load_file(backbones.available(out)[net])
    assert all(tensor.dtype == torch.float32 for tensor in kept.values())
    assert not [key for key in kept if re.match(r"fc\.|AuxLogits\.|.*num_batches_tracked", key)]

    network.fc, network.AuxLogits = torch.nn.Identity(), None
    settings = {"init_weights": False, "aux_logits": False} if "inception" in net else {}
    twin = torchvision.models.get_model(backbones.BACKBONES[net], weights=None, **settings).eval()
    twin.fc = torch.nn.Identity()
    twin.load_state_dict(kept)  # strictly: nothing is missing and nothing is left over
    picture = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(twin(picture), network(picture))

    before = contents(out)
    bare = {key: tensor for key, tensor in network.state_dict().items() if "num_batches" not in key}
    gather(out, save(path, bare), net)  # a file without what is not kept does as well
    after = contents(out)
    assert after[f"{net}.safetensors"] == before[f"{net}.safetensors"]
    gather(out, path, net)
    assert contents(out) == after


@pytest.mark.parametrize(
    ("net", "tensors"),
    # Each convolution has a weight and a bias, or a weight and the four of batch normalisation after it.
    [
        ("alexnet", 2 * 5),
        ("vgg16", 2 * 13),
        ("resnet18", 5 * (1 + 8 * 2 + 3)),
        ("resnet50", 5 * (1 + 16 * 3 + 4)),
        ("resnet152", 5 * (1 + 50 * 3 + 4)),
        ("inception_v3", 5 * 94),
        ("squeezenet1_1", 2 * (1 + 8 * 3)),
    ],
)
def test_the_encoders_go_by_torchvisions_names(net, tensors):
    assert net in ENCODERS and set(backbones.BACKBONES) == {*METRICS, *ENCODERS}
    state = torch.get_rng_state()
    assert len(backbones._shapes(net)) == tensors
    assert torch.equal(torch.get_rng_state(), state)
    assert re.fullmatch(rf"https://[^ ]*/{net}[a-z_-]*-[0-9a-f]{{8}}\.pth", REAL_URL(net))


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("layer1.0.bn1.running_var", None, "layer1.0.bn1.running_var is missing"),
        ("layer5.0.bn1.running_var", torch.zeros(64), "layer5.0.bn1.running_var is unknown"),
        ("bn1.running_mean", torch.zeros(3), r"bn1.running_mean has shape \(3,\) instead of \(64,\)"),
        ("bn1.running_mean", torch.full((64,), torch.inf), "bn1.running_mean holds something else"),
    ],
)
def test_weights_of_another_encoder_are_refused(tmp_path, out, key, value, problem):
    path = save(tmp_path / "mine.pth", wrong(random_encoder("resnet18").state_dict(), key, value))
    place = re.escape("download.resnet18.file")
    with pytest.raises(UserError, match=f"{place}: .*mine.pth: not .* torchvision's resnet18: {problem}"):
        gather(out, path, "resnet18")
    assert not list(out.iterdir())


@pytest.mark.parametrize("net", ["resnet50", "inception_v3", "vgg16"])
def test_one_networks_weights_are_not_taken_for_anothers(tmp_path, out, state, net):
    for other in (random_encoder("resnet18").state_dict(), state):
        path = save(tmp_path / "mine.pth", other)
        with pytest.raises(UserError, match=f"not the weights of torchvision's {net}: .*; and more"):
            gather(out, path, net)
    assert not list(out.iterdir())


@pytest.mark.parametrize("net", ENCODERS)
def test_an_encoder_that_cannot_be_had_is_recorded_with_a_remedy(out, net):
    assert gather(out, None, net)["status"] == "not available"
    assert backbones.available(out) == {} and set(contents(out)) == {"manifest.csv"}
    reason = backbones.why_not(out, net)
    assert reason.startswith(f"{net} is not in torch's cache")
    study = "studies/release" if net == "squeezenet1_1" else "studies/backbones"
    assert f"download.{net}.file in {study}/params.yaml" in reason
    assert f"`dvc repro -f {study}/dvc.yaml:weights@{net}`" in reason and "weights.nets" not in reason
    stages = load_yaml(ROOT / study / "dvc.yaml")["stages"]
    sets = load_yaml(ROOT / study / "params.yaml")["download"]
    assert net in (sets if stages["weights"]["foreach"] == "${download}" else stages["weights"]["foreach"])
    assert sets[net]["net"] == net


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
        ("classifier.1.bias", None, "classifier.1.bias is missing"),
        ("classifier.1.bias", torch.zeros(10), r"classifier.1.bias has shape \(10,\) instead of \(1000,\)"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, out, state, suffix, key, value, problem):
    path = save(tmp_path / f"mine{suffix}", wrong(state, key, value))
    with pytest.raises(UserError, match=f"download.weights.nets.squeeze: .*squeezenet1_1: {problem}"):
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
        with pytest.raises(UserError, match=f"download.weights.nets.squeeze: .*{path.name}: .*{problem}"):
            gather(out, path)
    assert not list(out.iterdir())


def test_readers_are_told_what_is_wrong_with_a_folder_of_backbones(tmp_path, out, state):
    with pytest.raises(UserError, match="no such file"):
        backbones.available(out)
    gather(out, save(tmp_path / "mine.npz", state))
    with pytest.raises(UserError, match="no backbone 'alex'; there is squeeze"):
        backbones.why_not(out, "alex")
    (out / "squeeze.safetensors").unlink()
    with pytest.raises(UserError, match=r"squeeze.safetensors: missing.*dvc repro -f download@weights"):
        backbones.available(out)


def test_reading_imports_no_torch(tmp_path):
    (tmp_path / "manifest.csv").write_text("name,status,sha256,origin,detail\n")
    code = (
        "import sys; from pathlib import Path; from tintype.sources import backbones;"
        "backbones.available(Path(sys.argv[1])); print({'torch', 'torchvision'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
