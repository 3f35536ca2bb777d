"""A client of the openai library whose answers have a time limit as a whole."""

import threading
from concurrent.futures import Future

import httpx2
import openai


class DeadlineClient(openai.DefaultHttpxClient):
    """Gives up an answer after `seconds`, however it comes: the library's own limits are for one read, and a server that
    sends a byte now and then would be waited for without end.

    Raises:
        httpx2.ReadTimeout: after `seconds`; the library asks again after it, as after its own.
    """

    def __init__(self, seconds: float, **options: object):
        super().__init__(timeout=seconds, **options)
        self.seconds = seconds

    def send(self, request: httpx2.Request, **options: object) -> httpx2.Response:
        answer: Future[httpx2.Response] = Future()
        threading.Thread(target=self._send, args=(answer, request, options), daemon=True).start()
        try:
            return answer.result(self.seconds)
        except TimeoutError:
            raise httpx2.ReadTimeout("the answer took too long", request=request) from None

    def _send(self, answer: Future, request: httpx2.Request, options: dict[str, object]) -> None:
        try:
            answer.set_result(super().send(request, **options))
        except BaseException as error:
            answer.set_exception(error)
