#!/usr/bin/env bash
# With Uvicorn 0.54, a client that has sent a second request and then leaves is not seen to leave
# by the application that answers the first.
#
# `receive()` gives `http.disconnect` when the client closes the connection: long answers (waiting
# for a result, streams of events) stop there. HTTP/1.1 lets a client send its next request before
# the answer (RFC 9112, 9.3.2). Then Uvicorn tells only the request that came last, which has not
# even begun; the one that runs hears nothing and works on for nobody. Both protocols, h11 and
# httptools, do so.
# Instead: bound each wait in the application, and count waits a caller, not connections.
set -euo pipefail

room=$(mktemp -d)
server=""
trap 'test -z "$server" || kill "$server" 2> /dev/null || true; rm -rf "$room"' EXIT
{
  python3 -m venv "$room/venv"
  "$room/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
} || exit 2
cd "$room"

cat > app.py <<'PY'
import asyncio


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    try:
        heard = (await asyncio.wait_for(receive(), 3))["type"]
    except TimeoutError:
        heard = "nothing"
    with open("heard.txt", "a") as file:
        file.write(f"{scope['path']} {heard}\n")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
PY
cat > client.py <<'PY'
import socket
import sys
import time

port = int(sys.argv[1])


def leave(*paths):
    with socket.create_connection(("127.0.0.1", port)) as client:
        for path in paths:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            time.sleep(0.5)


leave("/alone")
leave("/first", "/second")
time.sleep(4)
PY

venv/bin/pip list --disable-pip-version-check 2> /dev/null | grep -E '^(uvicorn|httptools|h11) '
echo "Expected: '/alone http.disconnect' and '/first http.disconnect'."
for protocol in h11 httptools; do
  rm -f heard.txt
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  venv/bin/uvicorn app:app --port "$port" --http "$protocol" --log-level warning > server.txt 2>&1 &
  server=$!
  for _ in $(seq 100); do
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break
    sleep 0.1
  done
  python3 client.py "$port"
  kill "$server"
  wait "$server" 2> /dev/null || true
  server=""
  echo "Seen with $protocol: $(sort heard.txt | paste -sd ';' | sed 's/;/; /g')"
  if ! grep -qx '/alone http.disconnect' heard.txt || ! grep -qx '/first nothing' heard.txt; then
    echo "CHANGED"
    exit 1
  fi
done
