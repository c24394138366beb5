"""A small Flask application: a page, a login with a cookie, an upload, a stream."""
import hashlib
import logging
import time

from flask import Flask, Response, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "only for the example"

# What people write for gunicorn works: the logger exists and has a handler.
app.logger.handlers = logging.getLogger("gunicorn.error").handlers
app.logger.setLevel(logging.getLogger("gunicorn.error").level)


@app.get("/")
def page():
    return {
        "worker": request.environ["appd.worker_id"],
        "generation": request.environ["appd.generation"],
        "protocol": request.environ["appd.protocol"],
        "user": session.get("user"),
        "root": request.script_root,
    }


@app.post("/login")
def login():
    session["user"] = request.form["user"]
    app.logger.info("%s logged in", session["user"])
    return redirect(url_for("page"))


@app.route("/upload", methods=["PUT", "POST"])
def upload():
    source = request.files["file"].stream if request.method == "POST" else request.stream
    digest, size = hashlib.sha256(), 0
    while data := source.read(1 << 16):
        digest.update(data)
        size += len(data)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/download/<int:size>")
def download(size):
    pieces = (b"x" * min(1 << 16, size - at) for at in range(0, size, 1 << 16))
    return Response(pieces, mimetype="application/octet-stream", headers={"Content-Length": str(size)})


@app.get("/stream")
def stream():
    def lines():
        for i in range(5):
            yield f"line {i}\n"
            time.sleep(0.2)

    return Response(lines(), mimetype="text/plain", headers={"X-Accel-Buffering": "no"})


@app.get("/echo/<path:rest>")
def echo(rest):
    return {"path": rest, "header": request.headers.get("X-Word", "")}


@app.get("/fail")
def fail():
    raise RuntimeError("this page fails on purpose")
