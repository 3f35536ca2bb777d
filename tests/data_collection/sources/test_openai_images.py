"""Images of the OpenAI API from a server on this machine: candidates, answers, edits, the key."""

import base64
import dataclasses
import io
import json
import os
import signal
import threading
from dataclasses import replace

import pytest
from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from data_collection.services import openai_client
from data_collection.settings import CollectionSettings, GenerationSettings, PromptSettings
from data_collection.source_types import SourceRequest, UnavailableImage
from data_collection.sources import openai_images
from data_collection.sources.openai_images import OPENAI_IMAGES
from runtime import atomic_files, console, hashing
from toys.images import encode_image, make_image
from toys.openai_server import API_KEY, ScriptedReply, make_error_reply


@pytest.fixture
def service(service, monkeypatch):
    monkeypatch.setattr(openai_client, "MAX_RETRIES", 1)
    return service


@pytest.fixture
def request_for(tmp_path):
    settings = CollectionSettings(
        data=tmp_path, prompt_settings=PromptSettings(prompts="template", prompt_count=3)
    )

    def request_for(argument: str, photographs=(), **changes: object) -> SourceRequest:
        changed = replace(settings, **changes)
        return SourceRequest(
            argument=argument,
            source_name=OPENAI_IMAGES.make_name(argument, changed),
            settings=changed,
            photographs=photographs,
        )

    return request_for


def save_photograph(
    folder, image: Image.Image, format: str = "PNG", **options: object
) -> FaceRecord:
    data = encode_image(image, format, **options)
    name = hashing.hash_bytes(data)
    record = FaceRecord(
        id=name,
        label="real",
        source="photos",
        file=name[:9],
        status="accepted",
        original=f"{name}.orig",
    )
    atomic_files.write_atomically(folder / record.original, data)
    return record


# ---------------------------------------------------------------- candidates


def test_faces_take_the_prompts_in_turn_and_nothing_is_generated_before_it_is_loaded(
    request_for, service
):
    faces = OPENAI_IMAGES.list_candidates(request_for("5"))
    assert [face.file for face in faces] == [f"{number:06}.png" for number in range(5)]
    assert [face.prompt for face in faces[3:]] == [face.prompt for face in faces[:2]]
    assert len({face.prompt for face in faces}) == 3
    assert all(face.stable and face.label == "generated" and face.seed is None for face in faces)
    assert {face.generator for face in faces} == {"gpt-image-2.5-flare"}
    assert faces[0].attributes["gender"] in faces[0].prompt
    assert json.loads(json.dumps(faces[0].drawn_with))["model"] == "gpt-image-2.5-flare"
    assert service.received == []


def test_a_second_listing_is_the_same_and_sends_nothing(request_for, service):
    gpt = PromptSettings(prompt_count=3)
    first = OPENAI_IMAGES.list_candidates(request_for("4", prompt_settings=gpt))
    assert service.list_paths() == ["/v1/chat/completions"]
    second = OPENAI_IMAGES.list_candidates(request_for("6", prompt_settings=gpt))
    assert service.list_paths() == ["/v1/chat/completions"]
    assert [(face.file, face.prompt) for face in second[:4]] == [
        (face.file, face.prompt) for face in first
    ]


def test_another_model_is_another_source(request_for):
    plain, other, edit = request_for("5"), request_for("5@a/b"), request_for("edit:5")
    assert (plain.source_name, other.source_name, edit.source_name) == (
        "gpt-image-2.5-flare",
        "a/b",
        "gpt-image-2.5-flare-edit",
    )
    chosen = request_for("5", generation=GenerationSettings(image_model="gpt-image-2.6-flare"))
    assert chosen.source_name == "gpt-image-2.6-flare"
    assert {face.generator for face in OPENAI_IMAGES.list_candidates(other)} == {"a/b"}


@pytest.mark.parametrize("argument", ["", "edit:", "0", "ten", "edit:-1", "edit", "@model", "1.5"])
def test_an_argument_that_is_no_number_is_a_sentence(request_for, argument):
    with pytest.raises(console.PlainError, match="openai-images"):
        request_for(argument)


def test_requirements_name_the_key_once_and_what_is_paid_for(request_for, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    key, paid = OPENAI_IMAGES.list_requirements(request_for("5", prompt_settings=PromptSettings()))
    assert (key.name, key.met, key.alternative) == (
        "OPENAI_API_KEY",
        False,
        "--generated stable-diffusion:COUNT",
    )
    assert paid.met and "up to 5 images by gpt-image-2.5-flare" in paid.status
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    assert all(requirement.met for requirement in OPENAI_IMAGES.list_requirements(request_for("5")))
    missing = OPENAI_IMAGES.list_requirements(
        request_for("5", prompt_settings=PromptSettings(prompts="file:nowhere.txt"))
    )
    assert [requirement.name for requirement in missing if not requirement.met] == ["nowhere.txt"]


# ---------------------------------------------------------------- outcomes


def test_a_picture_is_asked_for_small_and_cheap_and_comes_as_it_was_sent(request_for, service):
    face = OPENAI_IMAGES.list_candidates(request_for("1"))[0]
    assert face.load() == encode_image(make_image(1))
    (received,) = service.received
    expected = {
        "model": "gpt-image-2.5-flare",
        "size": "1024x1024",
        "quality": "low",
        "output_format": "png",
    }
    assert received.path == "/v1/images/generations" and received.body == {
        **expected,
        "prompt": face.prompt,
    }
    assert face.drawn_with.items() >= {**expected, "api": "images.generate"}.items()


def test_several_pictures_come_as_soon_as_they_are_done(request_for, service, monkeypatch):
    monkeypatch.setattr(openai_images, "MAX_CONCURRENT_IMAGE_REQUESTS", 2)
    service.script += [replace(service.image(), delay=0.8), service.image(), service.image()]
    faces = OPENAI_IMAGES.list_candidates(request_for("3"))
    assert len({face.load_many for face in faces}) == 1
    order = [(face.file, type(outcome)) for face, outcome in faces[0].load_many(faces)]
    assert sorted(order) == [(face.file, bytes) for face in faces]
    assert len(service.received) == 3
    assert order[2][0] in (faces[0].file, faces[1].file)  # the slow one delays no other


@pytest.mark.parametrize("code", ["moderation_blocked", "content_policy_violation"])
def test_a_refusal_of_moderation_takes_the_place_of_one_picture(
    request_for, service, monkeypatch, code
):
    monkeypatch.setattr(openai_images, "MAX_CONCURRENT_IMAGE_REQUESTS", 1)
    service.script += [service.image(), make_error_reply(400, code, "Your request was rejected.")]
    faces = OPENAI_IMAGES.list_candidates(request_for("3"))
    outcomes = [outcome for _, outcome in faces[0].load_many(faces)]
    assert [type(outcome) for outcome in outcomes] == [bytes, UnavailableImage, bytes]
    assert str(outcomes[1]) == "refused by moderation: Your request was rejected"
    assert len(service.received) == 3


def test_a_rate_limit_is_waited_for(request_for, service):
    service.script += [make_error_reply(429, None, retry_after="0.4"), service.image()]
    assert OPENAI_IMAGES.list_candidates(request_for("1"))[0].load()
    first, second = (received.at for received in service.received)
    assert 0.4 <= second - first < 2


UNUSABLE = {
    "a page": ScriptedReply("<html>Welcome</html>", headers={"content-type": "text/html"}),
    "cut JSON": ScriptedReply('{"created": 0, "da'),
    "no data": ScriptedReply({"created": 0}),
    "empty data": ScriptedReply({"created": 0, "data": []}),
    "no picture": ScriptedReply(
        {"created": 0, "data": [{"b64_json": base64.b64encode(b"no picture").decode()}]}
    ),
    "an address": ScriptedReply({"created": 0, "data": [{"url": "http://127.0.0.1/x.png"}]}),
    "no base64": ScriptedReply({"created": 0, "data": [{"b64_json": "<html>"}]}),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_answer_without_a_picture_is_asked_for_again_and_then_a_sentence(
    request_for, service, name
):
    face = OPENAI_IMAGES.list_candidates(request_for("1"))[0]
    service.script += [UNUSABLE[name], service.image()]
    assert face.load()
    service.script += [UNUSABLE[name]] * 2
    with pytest.raises(console.PlainError, match="sent no image, 2 times") as caught:
        face.load()
    assert caught.value.exit_code == console.EXIT_REMOTE and len(service.received) == 4


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (make_error_reply(401, "invalid_api_key", API_KEY), "rejects the key"),
        (
            make_error_reply(404, "model_not_found"),
            "does not know the model gpt-image-2.5-flare; name another with --image-model",
        ),
        (make_error_reply(429, "insufficient_quota"), "no credit left"),
        (make_error_reply(500, None, retry_after_ms="10"), "out of order"),
        (ScriptedReply({}, delay=0.5), "gave no answer within 0.2 seconds"),
    ],
)
def test_a_fatal_fault_ends_generation_after_the_requests_under_way(
    request_for, service, monkeypatch, reply, sentence
):
    monkeypatch.setattr(openai_images, "MAX_CONCURRENT_IMAGE_REQUESTS", 2)
    monkeypatch.setattr(openai_client, "IMAGE_TIMEOUT_S", 0.2)
    service.script += [service.image(), *[reply] * 20]
    faces = OPENAI_IMAGES.list_candidates(request_for("12"))
    outcomes = []
    with pytest.raises(console.PlainError, match=sentence):
        for _face, outcome in faces[0].load_many(faces):
            outcomes.append(outcome)
    assert [type(outcome) for outcome in outcomes] == [bytes]
    assert len(service.received) <= 1 + 2 * 2  # two under way, each tried twice


def test_an_interruption_waits_for_the_pictures_under_way(
    request_for, service, monkeypatch, capsys
):
    monkeypatch.setattr(openai_images, "MAX_CONCURRENT_IMAGE_REQUESTS", 2)
    service.script += [replace(service.image(), delay=0.6) for _ in range(8)]
    faces = OPENAI_IMAGES.list_candidates(request_for("8"))
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
    outcomes = []
    with pytest.raises(KeyboardInterrupt):
        for _face, outcome in faces[0].load_many(faces):
            outcomes.append(outcome)
    assert [type(outcome) for outcome in outcomes] == [bytes] * 2 and len(service.received) == 2
    assert "Waiting for the images under way, which are paid for" in capsys.readouterr().err


def test_leaving_early_starts_no_further_picture(request_for, service, monkeypatch):
    monkeypatch.setattr(openai_images, "MAX_CONCURRENT_IMAGE_REQUESTS", 1)
    service.script += [replace(service.image(), delay=0.05) for _ in range(9)]
    faces = OPENAI_IMAGES.list_candidates(request_for("9"))
    outcomes = faces[0].load_many(faces)
    next(outcomes)
    outcomes.close()
    assert len(service.received) <= 3
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")
    ]


# ---------------------------------------------------------------- editing


def test_photographs_are_edited_once_each_and_stay_with_the_result(request_for, service, tmp_path):
    photographs = [save_photograph(tmp_path / "faces", make_image(number)) for number in range(4)]
    faces = OPENAI_IMAGES.list_candidates(request_for("edit:3", photographs))
    assert [face.source_image for face in faces] == [record.id for record in photographs[:3]]
    assert len({face.file for face in faces}) == 3 and faces[0].file.startswith(
        photographs[0].id[:16]
    )
    assert faces[1].load() == encode_image(make_image(1))
    (received,) = service.received
    assert received.path == "/v1/images/edits"
    fields = received.fields
    assert (
        fields["prompt"].decode() == faces[1].prompt and fields["model"] == b"gpt-image-2.5-flare"
    )
    assert decode.decode_face(fields["image"]).square.tobytes() == make_image(1).tobytes()
    assert faces[1].drawn_with["api"] == "images.edit"


def test_an_edited_photograph_keeps_its_name_when_more_are_collected(request_for, tmp_path):
    photographs = [save_photograph(tmp_path / "faces", make_image(number)) for number in range(4)]
    few = OPENAI_IMAGES.list_candidates(request_for("edit:2", photographs[:2]))
    more = OPENAI_IMAGES.list_candidates(request_for("edit:4", photographs))
    assert [(face.file, face.prompt) for face in more[:2]] == [
        (face.file, face.prompt) for face in few
    ]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "PPM"])
def test_what_is_sent_is_a_small_upright_png_without_metadata(
    request_for, service, tmp_path, format
):
    exif = Image.Exif()
    exif[0x0112], exif[0x013B], exif[0x8298] = (
        3,
        "a secret name",
        "a secret place",
    )  # 3: stored upside down
    scene = Image.new("RGB", (1200, 1060), "white" if format == "PPM" else "black")
    scene.paste("black" if format == "PPM" else "white", (0, 530, 1200, 1060))
    record = save_photograph(
        tmp_path / "faces", scene, format, **({} if format == "PPM" else {"exif": exif})
    )
    OPENAI_IMAGES.list_candidates(request_for("edit:1", [record]))[0].load()
    sent = service.received[0].fields["image"]
    with Image.open(io.BytesIO(sent)) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("PNG", (1024, 1024), {})
        assert (image.getpixel((9, 9)), image.getpixel((9, 1000))) == ((255, 255, 255), (0, 0, 0))
    assert b"secret" not in sent


def test_no_photographs_is_a_sentence_and_too_few_are_reported(request_for, tmp_path, capsys):
    with pytest.raises(console.PlainError, match="no photographs to edit"):
        OPENAI_IMAGES.list_candidates(request_for("edit:3"))
    assert (
        len(
            OPENAI_IMAGES.list_candidates(
                request_for("edit:3", [save_photograph(tmp_path / "faces", make_image(1))])
            )
        )
        == 1
    )
    assert "edits each photograph once, and there are 1" in capsys.readouterr().err


def test_an_altered_original_stops_before_it_is_paid_for(request_for, service, tmp_path):
    record = save_photograph(tmp_path / "faces", make_image(1))
    (tmp_path / "faces" / record.original).write_bytes(b"other")
    face = OPENAI_IMAGES.list_candidates(request_for("edit:1", [record]))[0]
    with pytest.raises(console.PlainError, match="was altered"):
        list(face.load_many([face]))
    assert service.received == []


# ---------------------------------------------------------------- the key


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
def test_the_key_is_in_no_face_no_output_and_no_exception(
    request_for, service, capfd, tmp_path, status
):
    reply = (
        ScriptedReply(f"<html>{API_KEY}</html>")
        if status == 200
        else make_error_reply(status, None, f"sent {API_KEY}", retry_after_ms="10")
    )
    service.script += [reply] * 4
    faces = OPENAI_IMAGES.list_candidates(request_for("1"))
    with pytest.raises(console.PlainError) as caught:
        list(faces[0].load_many(faces))
    chain = []
    error: BaseException | None = caught.value
    while error:
        chain += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    files = [path.read_text() for path in tmp_path.rglob("*.jsonl")]
    output = capfd.readouterr()
    faces = [repr(dataclasses.replace(face)) for face in faces]
    assert API_KEY not in "\n".join([*chain, *files, *faces, output.out, output.err])


@pytest.mark.parametrize("code", ["moderation_blocked"])
def test_the_key_is_in_no_reason(request_for, service, code):
    service.script += [make_error_reply(400, code, f"no picture of {API_KEY}")]
    with pytest.raises(UnavailableImage) as caught:
        OPENAI_IMAGES.list_candidates(request_for("1"))[0].load()
    assert str(caught.value) == "refused by moderation: no picture of (key)"
