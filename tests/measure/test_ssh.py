"""What a user is told when a device cannot be reached or used, from a real ssh server and a real client."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nas_sr.measure import ssh
from nas_sr.measure.inspection import inspect_target
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import Ssh
from tests import old_python
from tests.measure.conftest import measured

SHELLS = [shell for shell in ("sh", "dash", "bash", "zsh", "fish", "csh", "tcsh") if shutil.which(shell)]


def _failure(profile, onnx_path) -> MeasurementFailed:
    """The failure of a measurement that nothing but a person can help."""
    with pytest.raises(MeasurementFailed) as caught:
        measured(onnx_path, profile)
    failure = caught.value
    assert failure.kind == "device"
    assert failure.text.startswith(f"drone ({profile.where}): ")
    assert "\n" not in failure.text
    return failure


@pytest.mark.parametrize(
    ("reached", "texts"),
    [
        ({"port": 1}, ["nothing listens there", "`port:`", "Connection refused"]),
        ({"host": "nowhere.invalid"}, ["there is no such host name: check `host:`", "nowhere.invalid"]),
        ({"key": "other"}, ["it refuses the key", "`key:`", "authorized_keys", "Permission denied"]),
        ({"key": "missing"}, ["there is no such private key: check `key:`"]),
        ({"host": "nobody-of-that-name@127.0.0.1"}, ["it refuses the key or the user name"]),
        ({"folder": "/proc/no folder"}, ["cannot be written to /proc/no folder", "`folder:`"]),
    ],
)
def test_device_that_cannot_be_reached(drone, device, relu_onnx, reached, texts):
    reached = {name: str(device.folder / value) if name == "key" else value for name, value in reached.items()}
    failure = _failure(drone(reached=reached), relu_onnx)
    for text in texts:
        assert text in failure.text


def test_unknown_host_key_is_not_accepted(drone, device, relu_onnx):
    device.know(None)
    failure = _failure(drone(), relu_onnx)
    assert "its host key is not known: run `ssh -i " in failure.text
    assert f"-p {device.port} 127.0.0.1`" in failure.text
    assert (device.folder / "known hosts").read_text() == ""


def test_changed_host_key_is_not_accepted(drone, device, relu_onnx):
    device.know(" ".join((device.folder / "other.pub").read_text().split()[:2]))
    failure = _failure(drone(), relu_onnx)
    assert "its host key is not the one known" in failure.text
    assert f"{device.folder}/known hosts:1" in failure.text


def test_no_ssh_client_here(drone, relu_onnx, monkeypatch):
    profile = drone()
    monkeypatch.setenv("PATH", "")
    assert "there is no `ssh` command on this machine: install it" in _failure(profile, relu_onnx).text


@pytest.mark.parametrize("python", ["/nowhere/python3", "no-such-python", "/etc/hostname"])
def test_no_such_python_there(drone, relu_onnx, python):
    failure = _failure(drone(python), relu_onnx)
    assert f"`{python}` cannot be run there: install Python >= 3.8 or name it with `python:`" in failure.text


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_python_there_is_too_old(drone, relu_onnx, version):
    python = next(iter(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), None)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    failure = _failure(drone(python), relu_onnx)
    assert f"Python {version}" in failure.text
    assert "3.8 or newer is needed: name one with `python:`" in failure.text


def test_no_runtime_there(drone, relu_onnx):
    python = old_python.bare()
    if python is None or subprocess.run([python, "-c", "import onnxruntime"], capture_output=True).returncode == 0:
        pytest.skip("no python3.8 without ONNX Runtime on this machine")
    failure = _failure(drone(python), relu_onnx)
    assert "onnxruntime cannot be used here: No module named" in failure.text
    assert f"install one for {python}" in failure.text
    found = inspect_target(drone(python))
    assert "No module named" in found["backends"]["onnxruntime"]["lacks"]
    assert found["python"].startswith("3.8.")


def test_no_backend_can_be_used_there(drone, relu_onnx):
    text = _failure(drone(backends=("tensorrt", "trtexec")), relu_onnx).text
    assert "tensorrt cannot be used here" in text
    assert "no trtexec: looked for trtexec and /usr/src/tensorrt/bin/trtexec" in text
    assert "or name another Python with `python:`" in text


def test_python_that_ends_without_a_word(drone, relu_onnx, wrapper):
    python = wrapper("echo it is broken >&2; exit 9")
    assert (
        f"`{python}` ended there with status 9 before it said a word: it is broken"
        in _failure(drone(python), relu_onnx).text
    )


@pytest.mark.parametrize(
    ("status", "errors", "kind", "text"),
    [
        (255, "ssh: connect to host d port 22: Connection timed out\n", "device", "is it switched on"),
        (255, "ssh: connect to host d port 22: No route to host\n", "device", "is it switched on"),
        (255, "@@@\n@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\n@@@\n", "device", "run `chmod 600 k`"),
        (255, "kex_exchange_identification: Connection closed by remote host\n", "transient", "closed by remote host"),
        (255, "Connection reset by 10.0.0.1 port 22\n", "transient", "Connection reset"),
        (255, "", "device", "try `ssh -i k -o IdentitiesOnly=yes me@d`"),
        (None, "", "device", "did not answer"),
        (1, "python3: Command not found.\n", "device", "`python3` cannot be run there"),  # what a C shell says
        (126, "sh: 1: /x/python: Permission denied\n", "device", "`python3` cannot be run there"),
    ],
)
def test_what_no_test_can_make_happen_is_explained_too(status, errors, kind, text):
    found = ssh.explain(Ssh(host="me@d", key="k"), status, errors)
    assert found[0] == kind
    assert text in found[1]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_hands_on_the_very_words(shell, tmp_path):
    words = ["a b", "it's", '"quoted"', "$HOME `id` $(id)", "~", "*", ";|&<>()", "-c"]
    python = tmp_path / "its python"
    python.symlink_to(sys.executable)
    command = ssh.command(
        Ssh(host="d", python="'~/its python' -B"), ["-c", "import json,sys;print(json.dumps(sys.argv[1:]))", *words]
    )
    done = subprocess.run(
        [shell, "-c", command[-1]],
        env={"HOME": str(tmp_path), "PATH": "/bin:/usr/bin"},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == words


def test_how_a_device_is_reached_is_in_the_command():
    command = ssh.command(Ssh(host="me@d", port=2222, key="~/k", jump="j,me@k:23"), ["-V"])
    assert command[0] == "ssh"
    assert command[-3:] == ["--", "me@d", "python3 -V"]
    for pair in (["-p", "2222"], ["-i", str(Path.home() / "k")], ["-J", "j,me@k:23"], ["-o", "BatchMode=yes"]):
        assert any(command[at : at + 2] == pair for at in range(len(command)))
