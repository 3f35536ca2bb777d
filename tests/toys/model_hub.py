"""A server on this machine that serves folders as models of the Hugging Face hub."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HUB_COMMIT = "0123456789abcdef0123456789abcdef01234567"


REFUSAL_HEADERS = {
    401: {"X-Error-Code": "RepoNotFound"},
    403: {"X-Error-Code": "GatedRepo"},
    404: {"X-Error-Code": "RepoNotFound"},
}


@contextmanager
def serve_hub(
    models: dict[str, Path], refuse: Callable[[str], int | None] = lambda path: None
) -> Iterator[str]:
    """Serve folders as models of a hub; yield its address.

    Args:
        refuse: returns an HTTP status for a path, or None to serve it.
    """

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status = refuse(path)
            name = next((name for name in models if f"/{name}/" in path + "/"), None)
            if status or name is None:
                return self._answer(status or 404, REFUSAL_HEADERS.get(status or 404, {}))
            folder = models[name]
            if "/api/models/" in path:
                return self._describe(name, folder)
            file = folder / path.partition("/resolve/")[2].partition("/")[2]
            if not file.is_file():
                return self._answer(404, {"X-Error-Code": "EntryNotFound"})
            self._answer(200, {"ETag": f'"{file.stat().st_size}-{file.name}"'}, file.read_bytes())

        do_HEAD = do_GET

        def _describe(self, name: str, folder: Path) -> None:
            files = [
                (str(file.relative_to(folder)), file)
                for file in sorted(folder.rglob("*"))
                if file.is_file()
            ]
            if "/tree/" in self.path:
                answer = [
                    {"type": "file", "path": path, "size": file.stat().st_size, "oid": "0"}
                    for path, file in files
                ]
            else:
                siblings = [
                    {"rfilename": path, "size": file.stat().st_size} for path, file in files
                ]
                answer = {"id": name, "sha": HUB_COMMIT, "siblings": siblings}
                index = json.loads((folder / "model_index.json").read_text())
                answer["config"] = {"diffusers": {"_class_name": index["_class_name"]}}
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

        def _answer(self, status: int, headers: dict[str, str], data: bytes = b"") -> None:
            self.send_response(status)
            for key, value in {
                "X-Repo-Commit": HUB_COMMIT,
                "Content-Length": str(len(data)),
                **headers,
            }.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *words) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
