"""An HTTP client for the openai library that limits the time of a whole response."""

import threading
from concurrent.futures import Future

import httpx2
import openai


class DeadlineClient(openai.DefaultHttpxClient):
    """Stop waiting for a response after `seconds`, even if bytes still arrive.

    The library's own limits apply to a single read, so it would wait forever for a server that
    sends a byte now and then.

    Raises:
        httpx2.ReadTimeout: after `seconds`; the library retries after it, as after its own.
    """

    def __init__(self, seconds: float, **options: object):
        super().__init__(timeout=seconds, **options)
        self.seconds = seconds

    def send(self, request: httpx2.Request, **options: object) -> httpx2.Response:
        response: Future[httpx2.Response] = Future()
        threading.Thread(target=self._send, args=(response, request, options), daemon=True).start()
        try:
            return response.result(self.seconds)
        except TimeoutError:
            raise httpx2.ReadTimeout("the response took too long", request=request) from None

    def _send(self, response: Future, request: httpx2.Request, options: dict[str, object]) -> None:
        try:
            response.set_result(super().send(request, **options))
        except BaseException as error:
            response.set_exception(error)
