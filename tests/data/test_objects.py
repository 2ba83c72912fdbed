"""Files behind URLs come once, from a real S3 server and a real web server, and secrets stay."""

import http.server
import json
import threading

import fsspec
import pytest

from dpo_ray.data import retrying
from dpo_ray.data.reading import read_source
from dpo_ray.data.source import find_source
from dpo_ray.errors import DataError

PAIR = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
LINE = json.dumps(PAIR).encode() + b"\n"
CANARY = "canary-of-many-letters"


@pytest.fixture(scope="module")
def s3_server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """An S3 bucket with two files of pairs, and credentials in the environment."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    if not files.exists("pairs"):
        files.mkdir("pairs")
        files.pipe({"pairs/a/1.jsonl": LINE, "pairs/a/2.jsonl": LINE * 2, "pairs/note.txt": b"?"})
    return "s3://pairs"


@pytest.fixture
def web():
    """A web server; `statuses` are those of the next answers, `asked` what was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        statuses: list[int] = []  # noqa: RUF012
        asked: list[str] = []  # noqa: RUF012

        def do_GET(self):
            self.asked.append(self.path)
            self.send_response(self.statuses.pop(0) if self.statuses else 200)
            self.send_header("Content-Length", str(len(LINE)))
            self.end_headers()
            self.wfile.write(LINE)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        Handler.url = f"http://127.0.0.1:{server.server_port}"
        yield Handler
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retrying, "FIRST_WAIT", 0.01)


def count(name, tmp_path):
    source = find_source(name, scratch=tmp_path)
    return len(read_source(source, tmp_path)), source


def refusal(name, tmp_path):
    with pytest.raises(DataError) as caught:
        find_source(name, scratch=tmp_path)
    return str(caught.value)


def test_an_object_is_copied_and_read(bucket, tmp_path):
    found, source = count(f"{bucket}/a/2.jsonl", tmp_path)
    assert found == 2
    assert source.files[0].is_relative_to(tmp_path)
    assert source.name == f"{bucket}/a/2.jsonl"


def test_an_object_is_the_same_source_as_its_local_copy(bucket, tmp_path):
    local = tmp_path / "local.jsonl"
    local.write_bytes(LINE)
    _, there = count(f"{bucket}/a/1.jsonl", tmp_path)
    assert there.digest == find_source(str(local), scratch=tmp_path).digest


def test_a_glob_of_objects_is_read_in_order_of_name(bucket, tmp_path):
    found, source = count(f"{bucket}/a/*.jsonl", tmp_path)
    assert found == 3
    assert [path.name for path in source.files] == ["1.jsonl", "2.jsonl"]


def test_an_object_that_came_later_is_seen(bucket, tmp_path):
    import s3fs

    assert refusal(f"{bucket}/late/*.jsonl", tmp_path) == f"{bucket}/late/*.jsonl: no file matches"
    s3fs.S3FileSystem(skip_instance_cache=True).pipe("pairs/late/1.jsonl", LINE)
    assert count(f"{bucket}/late/*.jsonl", tmp_path)[0] == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a/9.jsonl", "no such object"),
        ("*.csv", "no file matches"),
        ("note.txt", "data files must end in .jsonl"),
        ("note.*", "data files must end in .jsonl"),
    ],
)
def test_what_is_no_object_of_rows_is_refused(bucket, tmp_path, name, text):
    assert refusal(f"{bucket}/{name}", tmp_path).startswith(f"{bucket}/{name}: {text}")


def test_a_bucket_that_is_not_there_is_refused(bucket, tmp_path):
    assert refusal("s3://nowhere/a.jsonl", tmp_path) == "s3://nowhere/a.jsonl: no such object"


@pytest.mark.slow
def test_an_s3_that_does_not_answer_gives_up_and_keeps_its_secrets(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://someone:{CANARY}@127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    text = refusal(f"{bucket}/a/1.jsonl", tmp_path)
    assert text.startswith("s3://pairs/a/1.jsonl: cannot be read after 4 tries: ")
    assert CANARY not in text


def test_without_credentials_nothing_is_retried(bucket, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    text = refusal(f"{bucket}/a/1.jsonl", tmp_path)
    assert text.startswith("s3://pairs/a/1.jsonl: cannot be read after 1 try: NoCredentialsError: ")


def test_a_busy_web_server_is_asked_again(web, tmp_path):
    web.statuses[:] = [503, 429]
    assert count(f"{web.url}/pairs.jsonl", tmp_path)[0] == 1
    assert len(web.asked) == 3


def test_a_web_server_that_stays_busy_is_given_up(web, tmp_path):
    web.statuses[:] = [503] * 9
    text = refusal(f"{web.url}/busy.jsonl", tmp_path)
    assert text.startswith(f"{web.url}/busy.jsonl: cannot be read after 4 tries: ")
    assert text.endswith("; check the address, its endpoint and the network, then run again")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "access is denied; check the credentials in the environment"),
        (403, "access is denied; check the credentials in the environment"),
        (404, "no such object"),
    ],
)
def test_an_answer_that_will_not_change_is_asked_for_once(web, tmp_path, status, text):
    web.asked.clear()
    web.statuses[:] = [status]
    assert refusal(f"{web.url}/no.jsonl", tmp_path) == f"{web.url}/no.jsonl: {text}"
    assert len(web.asked) == 1


@pytest.mark.parametrize("status", [200, 404, 500])
def test_secrets_of_a_url_are_neither_in_the_name_nor_in_errors(web, tmp_path, status):
    web.statuses[:] = [status] * 4 if status != 200 else []
    url = web.url.replace("//", f"//me:{CANARY}@") + f"/a.jsonl?X-Amz-Signature={CANARY}"
    if status == 200:
        assert CANARY not in repr(find_source(url, scratch=tmp_path))
    else:
        assert CANARY not in refusal(url, tmp_path)
    web.statuses.clear()


def test_any_protocol_of_fsspec_will_do(tmp_path):
    with fsspec.open("memory://pairs/1.jsonl", "wb") as stream:
        stream.write(LINE)
    assert count("memory://pairs/1.jsonl", tmp_path)[0] == 1
    assert count("memory://pairs/*.jsonl", tmp_path)[0] == 1


def test_a_protocol_nobody_knows_is_refused(tmp_path):
    assert refusal("soup://pairs/1.jsonl", tmp_path) == (
        "soup://pairs/1.jsonl: no such protocol; allowed: s3, gs, hf and others of fsspec"
    )


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("gs://pairs/1.jsonl", "pip install 'dpo-ray[gcs]'"),
        ("abfs://pairs/1.jsonl", "see fsspec's documentation of this protocol"),
    ],
)
def test_a_package_that_is_not_installed_is_named(tmp_path, url, line):
    assert refusal(url, tmp_path) == f"{url}: needs a package that is not installed: {line}"
