"""A local server with the interface of the OpenAI API, and with the faults that a test scripts."""

import base64
import contextlib
import email
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from toys.images import encode_image, make_image

FACE_ATTRIBUTES = {
    "age": "34",
    "gender": "woman",
    "ethnicity": "Korean",
    "hair": "short hair",
    "expression": "a smile",
    "accessory": "none",
    "lighting": "daylight",
    "background": "a street",
}
DRIP_INTERVAL_S = 0.05
API_KEY = "sk-canary-7f3a9c51d2"
JSON_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True)
class ScriptedReply:
    """One reply.

    Attributes:
        delay: seconds before anything is sent.
        cut: announce more bytes than are sent.
        drip: positions of the bytes (headers included) that are sent one by one, DRIP_INTERVAL_S
            apart.
    """

    body: bytes | str | dict
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON_HEADERS))
    delay: float = 0.0
    cut: bool = False
    drip: range = range(0)


@dataclass(frozen=True)
class ReceivedRequest:
    path: str
    headers: dict[str, str]
    raw: bytes
    at: float

    @property
    def body(self) -> dict:
        return json.loads(self.raw)

    @property
    def fields(self) -> dict[str, bytes]:
        """Return the fields of a multipart form."""
        message = email.message_from_bytes(
            b"Content-Type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + self.raw
        )
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message.walk()
        }


@dataclass
class FakeService:
    """The requests that the server received, and the replies to give before it works properly."""

    url: str
    script: list[ScriptedReply] = field(default_factory=list)
    received: list[ReceivedRequest] = field(default_factory=list)
    n_prompts: int = 0
    n_images: int = 0

    def list_paths(self) -> list[str]:
        return [request.path for request in self.received]

    def answer(self, received: ReceivedRequest) -> ScriptedReply:
        self.received.append(received)
        if self.script:
            return self.script.pop(0)
        return self.image() if "/images/" in received.path else self.prompts(10)

    def prompts(self, count: int) -> ScriptedReply:
        """Return `count` prompts that no earlier reply contained."""
        start, self.n_prompts = self.n_prompts, self.n_prompts + count
        return make_faces_reply(
            *(f"a photo of the face of number {number}" for number in range(start, start + count))
        )

    def image(self, **more: object) -> ScriptedReply:
        self.n_images += 1
        data = base64.b64encode(encode_image(make_image(self.n_images))).decode()
        return ScriptedReply({"created": 0, "data": [{"b64_json": data}], **more})


def make_faces_reply(*texts: str, **attributes: str) -> ScriptedReply:
    return make_chat_reply(
        json.dumps({"faces": [{"prompt": text, **FACE_ATTRIBUTES, **attributes} for text in texts]})
    )


def make_chat_reply(
    content: str | None, finish: str = "stop", refusal: str | None = None, choices: int = 1
) -> ScriptedReply:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish, "message": message}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "gpt-6-luna-2026-10-01"}
    return ScriptedReply({**body, "choices": [choice] * choices})


def make_error_reply(
    status: int, code: str | None = None, message: str = "no", **headers: str
) -> ScriptedReply:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    return ScriptedReply(
        {"error": {"message": message, "type": "t", "code": code}},
        status,
        {**JSON_HEADERS, **dashed},
    )


def send_dripping(write: Callable[[bytes], object], data: bytes, drip: range) -> None:
    write(data[: drip.start])
    for index in drip:
        time.sleep(DRIP_INTERVAL_S)
        write(data[index : index + 1])
    write(data[drip.stop :])


@contextlib.contextmanager
def serve_openai() -> Iterator[FakeService]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words: object) -> None: ...

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = service.answer(ReceivedRequest(self.path, headers, raw, time.monotonic()))
            time.sleep(reply.delay)
            body = json.dumps(reply.body) if isinstance(reply.body, dict) else reply.body
            data = body.encode() if isinstance(body, str) else body
            with contextlib.suppress(OSError):  # the client may have left
                headers = {**reply.headers, "content-length": str(len(data) + 100 * reply.cut)}
                lines = [
                    f"HTTP/1.0 {reply.status} toy",
                    *(f"{name}: {value}" for name, value in headers.items()),
                    "",
                    "",
                ]
                send_dripping(self.wfile.write, "\r\n".join(lines).encode() + data, reply.drip)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = FakeService(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
