"""The served page: for this machine and who has its token, made anew when the study has gone on."""

import http.client
import threading

import pytest

from nas_sr.errors import UsageError
from nas_sr.report.live import LivePage
from nas_sr.report.page import page
from tests.report.study_records import study, trial


@pytest.fixture
def served():
    made = []
    state = {"version": "1"}

    def make():
        made.append(state["version"])
        if state["version"] == "broken":
            raise UsageError("the journal is being written")
        return page([study([trial(0, latency=4.0)])], live=True)

    server = LivePage(make, lambda: state["version"])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, state, made
    server.shutdown()
    server.server_close()
    thread.join()


def get(server, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.server_port}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text, answer.headers


def test_who_has_the_token_gets_the_page_and_it_is_made_once_a_version(served):
    server, state, made = served
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/{server.token}/"
    for _ in range(2):
        status, text, headers = get(server, f"/{server.token}/")
        assert status == 200
        assert "connect-src 'self'" in text
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
    assert made == ["1"]
    assert get(server, f"/{server.token}/version")[:2] == (200, "1")
    state["version"] = "2"
    assert get(server, f"/{server.token}/", f"localhost:{server.server_port}")[0] == 200
    assert made == ["1", "2"]


def test_nobody_else_gets_anything(served):
    server, _, made = served
    for path in (
        "/",
        "//",
        "/version",
        "/x/",
        f"/{server.token}",
        f"/{server.token}/../x",
        f"/{server.token}x/",
        "*",
    ):
        assert get(server, path)[0] == 404
    for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil:80"):
        assert get(server, f"/{server.token}/", host)[0] == 403
    assert made == []


def test_a_study_that_cannot_be_read_now_is_tried_again(served):
    server, state, _ = served
    state["version"] = "broken"
    assert get(server, f"/{server.token}/")[:2] == (503, "try again: the journal is being written")
    state["version"] = "1"
    assert get(server, f"/{server.token}/")[0] == 200


def test_a_page_that_is_not_served_connects_to_nobody():
    text = page([study([trial(0, latency=4.0)])])
    assert "connect-src" not in text
    assert "fetch(" not in text.split('id="data"')[0] + text.split("</script>", 2)[-1]
