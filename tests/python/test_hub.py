"""What comes from a model hub: pinned, as it was announced, and never more than data."""

import base64
import hashlib
import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import pytest
from conftest import SMALL
from trainings import trained

torch = pytest.importorskip("torch")
pytest.importorskip("huggingface_hub")

from twisterl import cli, sharing, utils  # noqa: E402
from twisterl.cli.player import read  # noqa: E402
from twisterl.config.trust import HubConfig  # noqa: E402
from twisterl.faults import ConfigError  # noqa: E402
from twisterl.hub import HubError, is_plain, unannounced  # noqa: E402
from twisterl.runs import tensors  # noqa: E402

COMMIT = "c" * 40
MODEL = "checkpoint_best.safetensors"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Repository(BaseHTTPRequestHandler):
    """The part of a hub's interface that a download asks; `announced` and `sent` by name."""

    def do_GET(self):
        _, *words = self.path.partition("?")[0].split("/")
        if words[:4] == ["api", "models", "me", "model"] and words[4] == "revision":
            siblings = [self.sibling(name) for name in self.server.announced]
            self.answer({"id": "me/model", "sha": COMMIT, "siblings": siblings})
        elif words[:4] == ["api", "models", "me", "model"] and words[4] == "tree":
            self.answer([self.entry(name) for name in self.server.announced])
        elif words[:3] == ["me", "model", "resolve"] and "/".join(words[4:]) in self.server.sent:
            self.send_file("/".join(words[4:]))
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def do_POST(self):
        """A push: the repository is made, its card read, its files asked for, and committed."""
        path, body = self.path.partition("?")[0], self.body()
        if path == "/api/repos/create":
            self.answer({"url": f"http://{self.headers['Host']}/me/model", "name": "me/model"})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif path == "/api/models/me/model/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            mode = {True: "lfs", False: "regular"}
            files = [{"path": name, "uploadMode": mode[name.endswith(".safetensors")],
                      "shouldIgnore": False} for name in names]  # fmt: skip
            self.answer({"files": files})
        elif path == "/me/model.git/info/lfs/objects/batch":
            upload = {"href": f"http://{self.headers['Host']}/upload"}
            objects = [
                {**one, "actions": {"upload": upload}} for one in json.loads(body)["objects"]
            ]
            self.answer({"transfer": "basic", "objects": objects})
        elif path == "/api/models/me/model/commit/main":
            self.commit([json.loads(line) for line in body.splitlines()])
        else:
            self.send_error(404)

    def do_PUT(self):
        content = self.body()
        self.server.uploaded[sha256(content)] = content
        self.answer({})

    def commit(self, lines):
        for line in lines:
            entry = line["value"]
            if line["key"] == "file":
                self.server.announced[entry["path"]] = base64.b64decode(entry["content"])
            elif line["key"] == "lfsFile":
                self.server.announced[entry["path"]] = self.server.uploaded[entry["oid"]]
        self.server.sent.update(self.server.announced)
        url = f"http://{self.headers['Host']}/me/model/commit/{COMMIT}"
        self.answer({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def sibling(self, name):
        content = self.server.announced[name]
        lfs = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
        more = {"lfs": lfs} if name.endswith(".safetensors") else {}
        return {"rfilename": name, "size": len(content), "blobId": "0" * 40, **more}

    def entry(self, name):
        content = self.server.announced[name]
        return {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}

    def send_file(self, name):
        announced = self.server.announced[name]
        etag = sha256(announced) if self.server.with_etag else f"mark-of-{name}"
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        self.answer(self.server.sent[name], **headers)

    def answer(self, content, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def hub(announced, sent=None, with_etag=True):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    server.announced, server.with_etag, server.uploaded = announced, with_etag, {}
    server.sent = {**announced, **(sent or {})}
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    name = "HUGGINGFACE_CO_URL_TEMPLATE"
    try:
        with (
            patch("huggingface_hub.constants.ENDPOINT", endpoint),
            patch(f"huggingface_hub.constants.{name}", template),
            # Before 1.0 it is copied when it is imported.
            patch(f"huggingface_hub.file_download.{name}", template, create=True),
            patch("huggingface_hub.constants.HF_HUB_DISABLE_XET", True),
        ):
            yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def files(small):
    state = {"w": torch.ones(4)}
    return {"base_config.json": json.dumps(small).encode(), MODEL: tensors.encode(state)}


def test_a_model_comes_as_it_was_announced(files, tmp_path):
    with hub(files):
        assert utils.validate_algorithm_from_hub("me/model") == {"is_valid": True, "missing": []}
        folder = utils.pull_hub_algorithm("me/model", tmp_path, validate=True)
    assert folder.endswith(COMMIT)
    assert torch.equal(utils.load_checkpoint(f"{folder}/{MODEL}")["w"], torch.ones(4))
    # The second time nothing needs to be sent, and nobody need be there.
    with hub({}):
        assert utils.pull_hub_algorithm("me/model", tmp_path) == folder


@pytest.mark.parametrize("with_etag", [True, False])
def test_a_body_that_is_not_what_was_announced_is_an_error(files, tmp_path, with_etag):
    body = bytearray(files[MODEL])
    body[-1] ^= 1
    with hub(files, {MODEL: bytes(body)}, with_etag):
        with pytest.raises(HubError, match=f"{MODEL}: its SHA-256 is not the one .* pull again"):
            utils.pull_hub_algorithm("me/model", tmp_path)


def test_a_file_of_the_cache_that_has_changed_since_is_an_error(files, tmp_path):
    with hub(files):
        folder = utils.pull_hub_algorithm("me/model", tmp_path)
        with open(f"{folder}/{MODEL}", "r+b") as file:
            file.write(b"?")
        with pytest.raises(HubError, match=MODEL):
            utils.pull_hub_algorithm("me/model", tmp_path)
    with hub({}):
        with pytest.raises(HubError, match=MODEL):
            utils.pull_hub_algorithm("me/model", tmp_path)


def test_names_that_lead_out_of_the_folder_are_refused(files, tmp_path, caplog):
    outside = {"../../../../../stolen.json": b"{}"}
    with hub({**files, **outside}):
        report = utils.validate_algorithm_from_hub("me/model")
        assert report["missing"] == ["<plain name for '../../../../../stolen.json'>"]
        assert utils.pull_hub_algorithm("me/model", tmp_path / "a" / "b") is False
    assert "stolen.json" in caplog.text
    assert not list(tmp_path.parent.rglob("stolen.json"))


@pytest.mark.parametrize(
    "name", ["../a.json", "a/../../b.json", "/etc/a.json", "C:a.json", "a\\b.json", "a\0.json"]
)
def test_names_that_some_system_takes_for_a_way_out(name):
    assert not is_plain(name)
    assert is_plain("a.json") and is_plain("a/b..c/d.safetensors")


def test_a_name_of_another_system_in_a_folder(tmp_path):
    (tmp_path / "a:b.json").touch()
    with pytest.raises(HubError, match="is no name of a file on every system"):
        unannounced(tmp_path, [])


def test_what_is_compared_without_links_to_blobs(tmp_path):
    """As on Windows, or from a listing that says less."""
    (tmp_path / MODEL).write_bytes(b"1234")
    good = SimpleNamespace(rfilename=MODEL, size=4, lfs=SimpleNamespace(sha256=sha256(b"1234")))
    assert unannounced(tmp_path, [good]) == []
    for listing in ([], [MagicMock()], [SimpleNamespace(rfilename=MODEL, size=4, lfs=None)]):
        assert unannounced(tmp_path, listing) == [MODEL]
    with pytest.raises(HubError, match="has 4 bytes; 5 were announced"):
        unannounced(tmp_path, [SimpleNamespace(rfilename=MODEL, size=5)])


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_all_digests_that_were_announced_count(tmp_path):
    content = b"1234"
    blob = tmp_path / "blobs" / sha256(content)
    blob.parent.mkdir()
    blob.write_bytes(content)
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / MODEL).symlink_to(blob)
    for announced in (content, b"1235"):
        lfs = SimpleNamespace(sha256=sha256(announced))
        entry = SimpleNamespace(rfilename=MODEL, size=4, lfs=lfs)
        if announced == content:
            assert unannounced(folder, [entry]) == []
        else:
            with pytest.raises(HubError, match="is not the one that was announced"):
                unannounced(folder, [entry])


def test_a_config_from_the_hub_is_not_trusted(small, tmp_path):
    small["policy_cls"] = "torch.nn.Linear"
    with hub({"base_config.json": json.dumps(small).encode()}):
        folder = utils.pull_hub_algorithm("me/model", tmp_path)
    config = utils.load_config(f"{folder}/base_config.json")
    assert config == small and isinstance(config, HubConfig)
    link = tmp_path / "link"
    link.symlink_to(folder)
    for path in (f"{folder}/base_config.json", link / "base_config.json"):
        with pytest.raises(ConfigError, match=r"policy_cls: .* in a config from elsewhere"):
            utils.prepare_algorithm(utils.load_config(path))
    with pytest.raises(ConfigError, match="lacks to_rust"):
        utils.prepare_algorithm(config, trust=True)


def test_hub_validation():
    api = MagicMock()
    with patch("twisterl.utils.HfApi", return_value=api):
        api.list_repo_files.return_value = ["a.json", "b.safetensors"]
        assert utils.validate_algorithm_from_hub("me/model") == {"is_valid": True, "missing": []}
        api.list_repo_files.assert_called_with("me/model", revision="main")
        api.list_repo_files.return_value = ["b.pt"]
        assert utils.validate_algorithm_from_hub("me/model")["missing"] == ["*.json"]
        api.list_repo_files.return_value = ["a.json"]
        report = utils.validate_algorithm_from_hub("me/model")
        assert report == {"is_valid": False, "missing": ["*.safetensors or *.pt"]}
        api.list_repo_files.side_effect = RuntimeError("offline")
        assert utils.validate_algorithm_from_hub("me/model")["missing"] == ["<repo not found>"]


def test_hub_download():
    with patch("twisterl.utils.snapshot_download", return_value="/models/x") as download:
        assert utils.pull_hub_algorithm("me/model", "/models", "abc") == "/models/x"
        assert download.call_args.kwargs["revision"] == "abc"
        assert "*.pt" not in download.call_args.kwargs["allow_patterns"]
        download.side_effect = OSError("gone")
        assert utils.pull_hub_algorithm("me/model") is False
    with (
        patch("twisterl.utils.snapshot_download") as download,
        patch("twisterl.utils.validate_algorithm_from_hub") as validate,
    ):
        validate.return_value = {"is_valid": False, "missing": ["*.json"]}
        assert utils.pull_hub_algorithm("me/model", validate=True, revision="abc") is False
        validate.assert_called_with("me/model", revision="abc")
        download.assert_not_called()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that was trained for an iteration."""
    folder = tmp_path_factory.mktemp("made")
    path = folder / "config.json"
    path.write_text(json.dumps(SMALL))
    trained(path, folder / "run", num_steps=1)
    return folder / "run"


def called(capsys, *words, status=0):
    assert cli.main(["hub", *words]) == status
    out, err = capsys.readouterr()
    return out if status == 0 else err


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")


@pytest.mark.usefixtures("token")
def test_a_run_that_was_pushed_comes_back(made, tmp_path, capsys):
    announced = {}
    with hub(announced):
        words = [str(made), "me/model", "--num_episodes", "20"]
        assert "7 files, " in called(capsys, "push", *words)
        assert set(announced) == {
            "README.md", "base_config.json", "full_algorithm_config.json", "machine.json",
            "metrics.jsonl", MODEL, "digests.json",
        }  # fmt: skip
        out = called(capsys, "pull", "me/model", "-o", str(tmp_path))
    folder = out.splitlines()[-1]
    assert folder.endswith(COMMIT)
    for name in ("base_config.json", MODEL):
        assert open(f"{folder}/{name}", "rb").read() == (made / name).read_bytes()
    assert read(folder, trust=False).load("best").env.num_actions() == 4


def test_the_card_says_what_was_measured_and_hashed(made, capsys):
    yaml = pytest.importorskip("yaml")
    out = called(capsys, "push", str(made), "me/model", "--num_episodes", "50", "--dry-run")
    head = yaml.safe_load(out.split("---\n")[1])
    assert head["tags"] == ["reinforcement-learning", "twisterl", "Puzzle", "PPO"]
    (result,) = head["model-index"][0]["results"]
    share = {metric["type"]: metric["value"] for metric in result["metrics"]}["success_rate"]
    assert f"| solved | {share:.1%} (95 %: " in out and "50, drawn from all" in out
    assert f"| `{MODEL}` | `{sha256((made / MODEL).read_bytes())}` |" in out
    assert "twisterl train --config base_config.json" in out and "| seed | 0 |" in out


def test_options_of_the_other_way_are_refused(capsys):
    for words, option in (
        (["pull", "me/model", "--dry-run"], "--dry-run: is of push"),
        (["pull", "me/model", "--private"], "--private: is of push"),
        (["pull", "me/model", "--num_episodes", "3"], "--num_episodes: is of push"),
        (["push", "run", "me/model", "-o", "here"], "--output: is of pull"),
    ):
        assert option in called(capsys, *words, status=2)


def test_the_card_says_what_the_config_does_not(made, tmp_path, capsys):
    words = ["train", "--config", str(made / "base_config.json"), "--num_steps", "1"]
    run = tmp_path / "run"
    weights = made / MODEL
    assert cli.main([*words, "--run_path", str(run), "--load_checkpoint_path", str(weights)]) == 0
    capsys.readouterr()
    out = called(capsys, "push", str(run), "me/model", "--num_episodes", "0", "--dry-run")
    said = f"--config base_config.json --num_steps 1 --load_checkpoint_path {MODEL}\n"
    assert f"\ntwisterl train {said}" in out


@pytest.mark.usefixtures("token")
def test_what_was_noted_when_it_was_sent_counts(files, tmp_path, capsys):
    digests = {MODEL: sha256(b"something else"), "metrics.jsonl": "0"}
    with hub({**files, "digests.json": json.dumps(digests).encode()}):
        err = called(capsys, "pull", "me/model", "-o", str(tmp_path), status=2)
    assert f"{MODEL}: its SHA-256 is not the one in digests.json" in err


def test_classes_of_others_are_told_and_trusted_once(small, files, tmp_path, capsys):
    small["policy_cls"] = "collections.OrderedDict"
    files["base_config.json"] = json.dumps(small).encode()
    with hub(files):
        out = called(capsys, "pull", "me/model", "-o", str(tmp_path))
        folder = out.splitlines()[-1]
        assert "it names collections.OrderedDict: code of others" in out
        assert not read(folder, trust=False).trust
        called(capsys, "pull", "me/model", "-o", str(tmp_path), "--trust")
    assert read(folder, trust=False).trust


def test_failures_name_the_file_and_the_cause_at_once(made, files, tmp_path, capsys, monkeypatch):
    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(sharing, "ANSWER_S", 0.3)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    place = ["me/model", "-o", str(tmp_path)]
    begun = time.monotonic()
    with silent, patch("huggingface_hub.constants.ENDPOINT",
                       f"http://127.0.0.1:{silent.getsockname()[1]}"):  # fmt: skip
        said = called(capsys, "pull", *place, status=1)
        assert "me/model at main: the hub has not answered within 0.3 seconds" in said
    with hub(files):
        assert "no token of a hub" in called(
            capsys, "push", str(made), "me/model", "--num_episodes", "0", status=1
        )
        assert "me/other at main: " in called(capsys, "pull", "me/other", status=1)
        lacking = {name: content for name, content in files.items() if name != MODEL}
    with hub(lacking):
        assert "holds no run of twisterl: *.safetensors is missing" in called(
            capsys, "pull", *place, status=2
        )
    with hub({**files, "other.json": b"{}"}) as server:
        del server.sent["other.json"]
        assert "me/model/other.json: " in called(capsys, "pull", *place, status=1)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "words", [["push", "me/model"], ["pull", "a", "b"], ["pull", "model"], ["pull", "../x"]]
)
def test_what_the_hub_command_refuses(words, capsys):
    assert "expected" in called(capsys, *words, status=2)
