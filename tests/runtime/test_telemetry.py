"""No library reports its use, whatever a command imports first."""

import http.server
import os
import subprocess
import sys
import threading

import pytest

from runtime.telemetry import NO_TELEMETRY
from toys.commands import REPOSITORY_ROOT

ENTRIES = ("data_collection", "training", "finetuning", "validation", "detection")


def run_program(program: str, **environment: str) -> str:
    plain = {name: value for name, value in os.environ.items() if name not in NO_TELEMETRY}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY_ROOT,
        env=plain | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("room", ENTRIES)
def test_every_command_switches_reports_off_before_a_library_reads_the_switch(room):
    output = run_program(
        f"import {room}.__main__\n"
        "from huggingface_hub import constants\n"
        "import os\n"
        "print(constants.HF_HUB_DISABLE_TELEMETRY, os.environ['ORT_DISABLE_TELEMETRY'], "
        "os.environ['RAY_USAGE_STATS_ENABLED'])"
    )
    assert output.split() == ["True", "1", "0"]


def test_the_hub_is_told_nothing_about_this_machine():
    """A loopback server in place of the hub sees no session and no library beside the client's."""
    agents = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            agents.append(self.headers["user-agent"])
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        run_program(
            "import runtime.console\n"
            "from huggingface_hub import HfApi\n"
            "try: HfApi(library_name='diffusers').model_info('nobody/nothing')\n"
            "except Exception: pass",
            HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}",
        )
        server.shutdown()
    assert agents and not any("torch" in agent or "session_id" in agent for agent in agents)
    assert all("telemetry" not in agent.replace("telemetry/off", "") for agent in agents)
