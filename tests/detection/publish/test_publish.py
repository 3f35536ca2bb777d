"""Publishing sends the listed files, checked against the card and without paths, to a hub; every
refusal is one sentence."""

import base64
import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from detection.predictor import Detector
from detection.publish import files, hub_errors, path_redaction
from detection.publish.publish import publish_detector
from detection.publish.settings import PublishSettings
from runtime import console
from toys.commands import run_command
from toys.images import encode_image, make_image
from training.detectors import ready_detectors

TOKEN = "hf_secretOfTheTests"
REPO = "ann/telltale-faces"
LISTED = {"detector.keras", "detector.onnx", "card.json", "README.md", "report/metrics.json"}
LISTED |= {"accuracy-latency.png", "leaderboard.jsonl"}
DATASET_FOLDER = "/srv/ann/my pictures/faces"


class Hub:
    """A hub in memory: the files of a repository, and every request with its token.

    Attributes:
        files: content by branch and path.
        refuse: a request's first line -> (status, message), or "die" to hang up; by pattern.
    """

    def __init__(self):
        self.files: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.commits: list[str] = []
        self.refuse: dict[str, tuple[int, str] | str] = {}
        self.private = False
        self.address = ""

    @property
    def lines(self) -> list[str]:
        return [line for line, _ in self.requests]

    def answer(self, line: str, body: bytes) -> tuple[int, dict]:
        table = {
            r"POST /api/repos/create": self.create,
            rf"GET /api/models/{REPO}(?:/revision/(\w+))?": self.describe,
            rf"POST /api/models/{REPO}/branch/(\w+)": self.branch,
            r"POST /api/validate-yaml": lambda body, _: {},
            rf"POST /api/models/{REPO}/preupload/(\w+)": self.preupload,
            rf"POST /{REPO}\.git/info/lfs/objects/batch": self.batch,
            r"PUT /objects/(\w+)": self.put,
            rf"POST /api/models/{REPO}/commit/(\w+)": self.commit,
        }
        matches = [
            (respond, match)
            for pattern, respond in table.items()
            if (match := re.fullmatch(pattern, line))
        ]
        return (
            (200, matches[0][0](body, (*matches[0][1].groups(), None)[0]))
            if matches
            else (404, {"error": "no such place"})
        )

    def create(self, body: bytes, _) -> dict:
        request = json.loads(body)
        if not self.files:
            self.private = request.get("visibility") == "private"
        self.files.setdefault("main", {".gitattributes": b""})
        return {"url": f"{self.address}/{request['organization']}/{request['name']}"}

    def sha(self, branch: str) -> str:
        return hashlib.sha1(repr(sorted(self.files[branch].items())).encode()).hexdigest()

    def describe(self, body: bytes, branch: str | None) -> dict:
        branch = branch or "main"
        names = [{"rfilename": name} for name in self.files[branch]]
        return {"id": REPO, "sha": self.sha(branch), "private": self.private, "siblings": names}

    def branch(self, body: bytes, branch: str) -> dict:
        self.files.setdefault(branch, dict(self.files["main"]))
        return {}

    def preupload(self, body: bytes, branch: str) -> dict:
        return {
            "files": [
                self.mode(file["path"], self.files[branch]) for file in json.loads(body)["files"]
            ]
        }

    def mode(self, path: str, branch_files: dict[str, bytes]) -> dict:
        large, content = path.startswith("detector."), branch_files.get(path)
        oids = {
            True: lambda: hashlib.sha256(content),
            False: lambda: hashlib.sha1(b"blob %d\0" % len(content) + content),
        }
        oid = oids[large]().hexdigest() if content is not None else None
        return {
            "path": path,
            "uploadMode": "lfs" if large else "regular",
            "shouldIgnore": False,
            "oid": oid,
        }

    def batch(self, body: bytes, _) -> dict:
        objects = json.loads(body)["objects"]
        for item in objects:
            if item["oid"] not in self.objects:
                item["actions"] = {"upload": {"href": f"{self.address}/objects/{item['oid']}"}}
        return {"transfer": "basic", "objects": objects}

    def put(self, body: bytes, oid: str) -> dict:
        assert hashlib.sha256(body).hexdigest() == oid
        self.objects[oid] = body
        return {}

    def commit(self, body: bytes, branch: str) -> dict:
        head, *rows = [json.loads(line) for line in body.splitlines()]
        assert head["value"]["parentCommit"] == self.sha(branch)
        for row in rows:
            value = row["value"]
            large = row["key"] == "lfsFile"
            self.files[branch][value["path"]] = (
                self.objects[value["oid"]] if large else base64.b64decode(value["content"])
            )
        self.commits.append(head["value"]["summary"])
        return {"commitUrl": f"{self.address}/{REPO}/commit/x", "commitOid": self.sha(branch)}


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            line = f"{self.command} {self.path.partition('?')[0]}"
            refusal = next(
                (refusal for pattern, refusal in hub.refuse.items() if re.search(pattern, line)),
                None,
            )
            hub.requests.append((line, self.headers["Authorization"]))
            if refusal == "die":
                self.rfile.read(1000)
                self.close_connection = True
                return self.connection.close()
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, answer = (
                (refusal[0], {"error": refusal[1]}) if refusal else hub.answer(line, body)
            )
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_HEAD = handle_any

        def log_message(self, *words) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def model(workplace, tmp_path) -> Path:
    """A copy of the toy detector as validation leaves it, with a data set outside this folder."""
    without = shutil.ignore_patterns("baselines", "cache")
    folder = shutil.copytree(
        workplace / "saved_models" / "toy", tmp_path / "models" / "toy", ignore=without
    )
    card = json.loads((folder / "card.json").read_text())
    card["dataset"]["folder"] = DATASET_FOLDER
    card["settings"]["logs"] = "C:\\Users\\ann\\logs"
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "README.md").write_text(
        f"# toy\n\nJudged on the hold-out of {DATASET_FOLDER}, 97% right; "
        "see https://a.example/b/c.\n"
    )
    (folder / "report").mkdir()
    (folder / "report" / "index.html").write_text(
        f"<p>{DATASET_FOLDER}/one.jpg</p><img src='data:image/png;base64,AA//srv/ann/BB'>"
    )
    worst_mistakes = {"real": [{"file": "jane doe.jpg", "probability": 0.9}]}
    evaluation_set = {
        "name": f"the hold-out of {DATASET_FOLDER}",
        "images": {"real": 6},
        "rejected": [{"file": "jane doe.png"}],
    }
    metrics = {
        "model": "toy",
        "model_sha256": card["sha256"],
        "evaluation_set": evaluation_set,
        "most_wrong": worst_mistakes,
    }
    (folder / "report" / "metrics.json").write_text(
        json.dumps({**metrics, "command": "python -m validation --data /x/y"})
    )
    for name in ("baselines", "cache"):
        (folder / name).mkdir()
    (folder / "baselines" / "logistic.onnx").write_bytes(b"weights")
    (folder / "cache" / "scores.npz").write_bytes(b"numbers")
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture
def hub(monkeypatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(
        constants, "HF_HUB_DISABLE_XET", True
    )  # read from the environment when it is imported
    with served(Hub()) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        yield server


def send(model: Path, **options) -> None:
    publish_detector(PublishSettings(repo=REPO, model=model, **options))


def publish_and_catch(model: Path, capsys, **options) -> str:
    with pytest.raises(console.PlainError) as caught:
        send(model, **options)
    output = capsys.readouterr()
    assert caught.value.exit_code == console.EXIT_REMOTE
    assert TOKEN not in f"{caught.value}{output.out}{output.err}"
    return str(caught.value)


def test_what_is_listed_arrives_in_one_commit_and_opens_there(hub, model, tmp_path, capsys):
    send(model)
    uploaded = hub.files["main"]
    assert set(uploaded) == LISTED | {".gitattributes"} and hub.commits == ["toy"]
    for name in ("detector.keras", "detector.onnx", "accuracy-latency.png"):
        assert uploaded[name] == (model / name).read_bytes()
    for name, data in uploaded.items():
        path = tmp_path / "fetched" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "a.png").write_bytes(encode_image(make_image(1)))
    detections = [
        Detector.load(folder, any_picture=True).predict(tmp_path / "a.png")
        for folder in (tmp_path / "fetched", model)
    ]
    assert detections[0] == detections[1]
    output = capsys.readouterr()
    assert (
        output.out.rstrip().endswith(f"{hub.address}/{REPO}")
        and "Published toy: 7 files" in output.err
    )


def test_the_token_arrives_in_headers_and_stands_in_no_output(hub, model, capsys):
    send(model)
    output = capsys.readouterr()
    uploads = [token for line, token in hub.requests if line.startswith("PUT")]
    about_repo = [token for line, token in hub.requests if REPO in line or "create" in line]
    assert uploads == [None, None] and set(about_repo) == {f"Bearer {TOKEN}"}
    assert TOKEN not in output.out + output.err


def test_no_path_of_this_machine_and_no_name_of_a_picture_arrives(hub, model):
    send(model)
    texts = {
        name: data.decode()
        for name, data in hub.files["main"].items()
        if name.endswith((".json", ".md", ".jsonl"))
    }
    for text in texts.values():
        assert (
            "/home" not in text
            and "Users" not in text
            and "jane" not in text
            and "/x/y" not in text
        )
    card = json.loads(texts["card.json"])
    assert card["dataset"]["folder"] == "faces" and card["settings"]["logs"] == "logs"
    assert card["sha256"].keys() == {"detector.keras", "detector.onnx"}
    assert not any("file" in baseline for baseline in card["baselines"].values())
    assert "hold-out of faces, 97% right; see https://a.example/b/c." in texts["README.md"]
    assert json.loads(texts["report/metrics.json"])["evaluation_set"] == {
        "name": "the hold-out of faces",
        "images": {"real": 6},
    }


def test_the_page_with_peoples_pictures_goes_only_if_asked_for(hub, model, capsys):
    send(model)
    assert (
        "report/index.html" not in hub.files["main"]
        and "photographs of people" in capsys.readouterr().out
    )
    send(model, with_report=True)
    page = hub.files["main"]["report/index.html"].decode()
    assert page == "<p>faces/one.jpg</p><img src='data:image/png;base64,AA//srv/ann/BB'>"


def test_the_same_files_are_written_into_a_new_folder_and_judge_alike(model, tmp_path, capsys):
    (model / "LICENSE.md").write_text("For research.")
    out = tmp_path / "shelf" / "toy"
    publish_detector(PublishSettings(out=out, model=model))
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == LISTED | {"LICENSE.md"}
    assert f"Wrote 8 files to {out}." in capsys.readouterr().err
    assert "/ann" not in (out / "card.json").read_text()
    (tmp_path / "a.png").write_bytes(encode_image(make_image(1)))
    first, second = (
        Detector.load(folder, any_picture=True).predict(tmp_path / "a.png")
        for folder in (out, model)
    )
    assert first == second
    with pytest.raises(console.PlainError, match="exists. Give --out the path of a new folder"):
        publish_detector(PublishSettings(out=out, model=model))
    for wrong in ({}, {"repo": REPO, "out": out}):
        with pytest.raises(ValueError, match="Give a name on the Hub"):
            PublishSettings(**wrong)


def test_heat_maps_without_training_images_are_published(hub, model):
    path = model / "explainer" / "explainer.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "training_images": {}}))
    send(model)
    published = {name for name in hub.files["main"] if name.startswith("explainer")}
    assert published == {"explainer/explainer.json", "explainer/explainer.npz"}


def test_a_ready_detector_is_published_only_by_name(model, monkeypatch):
    monkeypatch.setattr(ready_detectors, "READY_FOLDER", model.parent)
    monkeypatch.setattr(ready_detectors, "READY_DETECTORS", ("toy",))
    with pytest.raises(console.PlainError, match="comes with Telltale and is not published"):
        publish_detector(PublishSettings(repo=REPO, saved_models=model.parent, dry_run=True))
    publish_detector(PublishSettings(repo=REPO, model=model, dry_run=True))


def test_a_second_run_sends_nothing_and_says_so(hub, model, capsys):
    send(model)
    hub.requests.clear()
    send(model)
    assert hub.commits == ["toy"] and not [line for line in hub.lines if line.startswith("PUT")]
    assert "already contains exactly this" in capsys.readouterr().err


def test_a_branch_and_a_private_repository_are_made(hub, model, capsys):
    send(model, revision="v2", private=True)
    assert (
        hub.private
        and set(hub.files["main"]) == {".gitattributes"}
        and set(hub.files["v2"]) > LISTED
    )
    assert capsys.readouterr().out.rstrip().endswith("/tree/v2")


def test_a_dry_run_shows_what_goes_and_stays_and_asks_nobody(hub, model, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    send(model, dry_run=True)
    lines = {
        line.split()[0]: line
        for line in capsys.readouterr().out.splitlines()
        if " yes " in line or " no " in line
    }
    assert {name for name, line in lines.items() if " yes " in line} == LISTED
    assert {name for name, line in lines.items() if " no " in line} == {
        *("baselines", "explainer", "cache", "notes.txt", "report/index.html")
    }
    assert "MB" in lines["detector.keras"] and hub.requests == []


@pytest.mark.parametrize("file", ["detector.keras", "detector.onnx"])
def test_an_altered_model_is_not_published(hub, model, file):
    with (model / file).open("ab") as open_file:
        open_file.write(b"x")
    with pytest.raises(console.PlainError, match="was altered since it was saved"):
        send(model)
    assert hub.requests == []


def test_a_detector_that_was_not_validated_is_not_published(hub, model):
    (model / "README.md").unlink()
    with pytest.raises(console.PlainError, match="Run python -m validation --model .*toy first"):
        send(model)
    assert hub.requests == []


def test_figures_of_another_detector_are_not_published(hub, model):
    metrics = json.loads((model / "report" / "metrics.json").read_text())
    metrics["model_sha256"]["detector.onnx"] = "another"
    (model / "report" / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(console.PlainError, match="belongs to another detector than toy"):
        send(model)
    assert hub.requests == []


def test_without_a_token_it_says_how_to_log_in(hub, model, capsys, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "Run hf auth login, or set HF_TOKEN" in publish_and_catch(model, capsys)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("where", "answer", "sentence"),
    [
        ("", (401, f"Invalid token {TOKEN}"), "does not accept the token. Set HF_TOKEN"),
        ("create|GET", (403, "no"), f"no write access to {REPO}. Give a repository of your own"),
        (
            "preupload",
            (403, "read-only"),
            f"no write access to {REPO}. Give a repository of your own",
        ),
        ("preupload", (404, "gone"), "does not find"),
        ("commit", (409, "busy"), "is changing"),
        ("commit", (412, "A commit has happened since"), "changed .* meanwhile"),
        ("commit", (418, f"teapot of {TOKEN}"), r"refuses \(418\): teapot of \(key\)$"),
        ("create", (500, "oops"), r"an internal error \(500\)"),
        ("create", (200, "no JSON that is known"), "is not understood"),
        ("commit", "die", "the connection was lost. Check the network and run the command"),
    ],
)
def test_a_refusal_is_one_sentence(hub, model, capsys, where, answer, sentence):
    hub.refuse[where] = answer
    assert re.search(sentence, publish_and_catch(model, capsys))
    assert hub.commits == []


def test_after_a_hub_that_died_the_same_command_sends_the_rest(hub, model, capsys):
    hub.refuse["commit"] = "die"
    publish_and_catch(model, capsys)
    hub.refuse.clear()
    hub.requests.clear()
    send(model)
    assert set(hub.files["main"]) > LISTED and not [
        line for line in hub.lines if line.startswith("PUT")
    ]


@pytest.mark.slow
def test_an_upload_cut_again_and_again_is_one_sentence(hub, model, capsys):
    """Slow: the hub's client waits 23 s in all between its six attempts."""
    hub.refuse["PUT"] = "die"
    assert "the connection was lost" in publish_and_catch(model, capsys)
    assert hub.commits == []


def test_nobody_at_the_address_is_one_sentence(hub, model, capsys, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in publish_and_catch(model, capsys)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in publish_and_catch(model, capsys)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ConnectionError(
                "Network error: HTTP status client error (401 Unauthorized), domain: x"
            ),
            "does not accept the token",
        ),
        (
            ConnectionError("Server error: HTTP status server error (503 Service Unavailable)"),
            "internal error (503)",
        ),
        (PermissionError("token"), f"no write access to {REPO}"),
        (ConnectionError("peer closed"), "the connection was lost"),
    ],
)
def test_failures_of_the_hubs_own_protocol_are_told_apart(error, sentence):
    """As hf_xet 1.8 raises them."""
    assert sentence in hub_errors.describe_hub_error(error, REPO)


def make_upload_error(cause: Exception) -> RuntimeError:
    error = RuntimeError("Error while uploading 'detector.keras' to the Hub.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        RuntimeError("Data processing error: No space left on device (os error 28)"),
        make_upload_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    ],
    ids=["Python", "hf_xet", "the client's upload"],
)
def test_a_full_disk_here_is_not_taken_for_a_lost_connection(error):
    with (
        pytest.raises((OSError, RuntimeError)) as caught,
        hub_errors.translate_hub_errors(REPO, TOKEN),
    ):
        raise error
    assert console.explain_os_error(caught.value).exit_code == console.EXIT_DISK


def test_a_repository_of_another_kind_and_a_public_one_are_left_alone(hub, model, capsys):
    hub.files["main"] = {".gitattributes": b"", "README.md": b"", "model.safetensors": b"mine"}
    with pytest.raises(
        console.PlainError, match="something else than a detector .model.safetensors"
    ):
        send(model)
    hub.files["main"] = {".gitattributes": b"", "README.md": b"", "LICENSE": b""}
    with pytest.raises(console.PlainError, match="is already public"):
        send(model, private=True)
    assert hub.commits == []
    send(model)
    assert hub.commits == ["toy"]


@pytest.mark.parametrize(
    "name",
    ["faces", "ann/", "a/b/c", "datasets/ann/x", "ann/fa ces", "ann/x--y", "-a/x", "ann/x.git", ""],
)
def test_a_name_that_the_hub_would_refuse_is_refused_here(name):
    with pytest.raises(ValueError, match="is not a name on the Hub"):
        PublishSettings(repo=name)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("of /srv/a b/faces, well", "of a b/faces, well"),
        ("in ~/faces and ~ann/x/faces.", "in faces and faces."),
        ("in ../../ann/faces", "in faces"),
        (r"in D:\ann\faces or \\server\share\faces", "in faces or faces"),
        ("file:///srv/ann/faces", "faces"),
        (
            "data/faces and/or s3://bucket/ann/faces, 1/2, </b></p>",
            "data/faces and/or s3://bucket/ann/faces, 1/2, </b></p>",
        ),
        (
            "~5 of 10, /, ..., https://a.example/b/c?d=e/f",
            "~5 of 10, /, ..., https://a.example/b/c?d=e/f",
        ),
    ],
)
def test_of_a_path_out_of_the_folder_its_last_part_is_left(text, redacted):
    assert path_redaction.redact_paths(text) == redacted


def test_the_command_publishes_with_the_token_of_the_environment(hub, model, tmp_path):
    environment = {
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    process = run_command(
        "detection", "publish", REPO, "--model", model, cwd=tmp_path, **environment
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.rstrip().endswith(f"{hub.address}/{REPO}")
    assert set(hub.files["main"]) > LISTED and TOKEN not in process.stdout + process.stderr
    process = run_command(
        "detection", "publish", REPO, "--model", model, "--private", cwd=tmp_path, **environment
    )
    assert (
        process.returncode == console.EXIT_USAGE
        and "is already public" in process.stderr
        and "Traceback" not in process.stderr
    )


def test_a_model_is_published_without_its_base_where_that_lies_apart(tmp_path):
    (tmp_path / "detector.keras.parts").write_bytes(b"parts")
    (tmp_path / "detector.onnx").write_bytes(b"whole")
    chosen = [
        files.PublishedFile("detector.keras", tmp_path / "restored.keras", "verified"),
        files.PublishedFile("detector.onnx", tmp_path / "detector.onnx", "verified"),
        files.PublishedFile("card.json", b"{}", "copy"),
    ]
    keras_file, *others = files.leave_out_base(chosen, tmp_path)
    assert keras_file.name == "detector.keras.parts"
    assert keras_file.content.read_bytes() == b"parts"
    assert others == chosen[1:]
    assert keras_file.name in files.list_publishable_names()
    with pytest.raises(console.PlainError, match="has its base in its own files"):
        files.leave_out_base(chosen, tmp_path / "another")
