#!/usr/bin/env bash
# boto3 sends a large stream in one piece, from memory, if its first read happens to be short.
#
# `upload_fileobj` takes any object with `read()`, splits what is larger than 8 MiB into parts and
# keeps few of them in memory. For a stream that cannot seek, s3transfer asks once for 8 MiB; if
# fewer bytes come back it takes the stream to be shorter than that, reads *all the rest* with one
# `read()`, and sends a single PutObject. But a raw stream may always return less than it was asked
# for (`io.RawIOBase.read`): sockets, pipes, decompressing and encrypting readers do. So memory
# grows with the file, and above S3's limit of 5 GiB for a single PUT the upload must fail. Tests
# with BytesIO or a plain file never show it.
# Instead: wrap the stream in `io.BufferedReader`, whose `read(n)` is short at the end only.
# Upstream: s3transfer issue 366 (open, 2026) reports single uploads of large streamed responses;
# the short read as a cause was found in no thread.
set -euo pipefail

room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check \
    boto3==1.44.5 botocore==1.44.8 s3transfer==0.19.3
} || exit 2
cd "$room"

cat > try.py <<'PY'
import io
import sys
import tracemalloc

import boto3
import botocore
import s3transfer
from botocore.awsrequest import AWSResponse

MIB = 2**20
SIZE = 96 * MIB
ANSWERS = {
    "uploads": b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>",
    "complete": b'<CompleteMultipartUploadResult><ETag>"1"</ETag></CompleteMultipartUploadResult>',
}


class Pipe(io.RawIOBase):
    """A stream that hands over 64 KiB at a time, as a pipe does."""

    def __init__(self):
        self.left = SIZE

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(len(buffer), 64 * 1024, self.left)
        buffer[:size] = bytes(size)
        self.left -= size
        return size


class Body:
    def __init__(self, data):
        self.data = data

    def stream(self, **_):
        yield self.data


requests = []


def answer(request, **_):
    """Instead of the network: reads what is sent and answers as S3 does."""
    while hasattr(request.body, "read") and request.body.read(64 * 1024):
        pass
    kind = "part" if "partNumber=" in request.url else "uploads" if request.url.endswith("?uploads") else "complete"
    requests.append("PutObject" if request.method == "PUT" and kind != "part" else kind)
    return AWSResponse(request.url, 200, {"ETag": '"1"'}, Body(ANSWERS.get(requests[-1], b"")))


client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="none", aws_secret_access_key="none")
client.meta.events.register("before-send.s3", answer)


def upload(stream):
    requests.clear()
    tracemalloc.start()
    client.upload_fileobj(stream, "bucket", "key")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return requests.count("PutObject"), requests.count("part"), peak // MIB


raw, buffered = upload(Pipe()), upload(io.BufferedReader(Pipe()))
print("boto3", boto3.__version__, "botocore", botocore.__version__, "s3transfer", s3transfer.__version__)
print(f"Expected: {SIZE // MIB} MiB from either stream go in parts of 8 MiB.")
for name, (whole, parts, peak) in {"raw": raw, "buffered": buffered}.items():
    print(f"Seen:     {name}: {whole} PutObject, {parts} parts, {peak} MiB of memory at the peak.")
if raw[:2] != (1, 0) or buffered[:2] != (0, SIZE // (8 * MIB)) or raw[2] < SIZE // MIB:
    sys.exit("CHANGED: a short first read no longer ends the multipart upload.")
PY
venv/bin/python try.py
