"""A page, a login with a cookie, an upload, a download, a failure."""
import hashlib
import time

from django.http import JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect


def page(request):
    return JsonResponse({
        "worker": request.environ["appd.worker_id"],
        "generation": request.environ["appd.generation"],
        "protocol": request.environ["appd.protocol"],
        "user": request.session.get("user"),
        "root": request.environ["SCRIPT_NAME"],
    })


def login(request):
    request.session["user"] = request.POST["user"]
    return redirect("page")


def upload(request):
    source = request.FILES["file"] if request.method == "POST" else request
    digest, size = hashlib.sha256(), 0
    while data := source.read(1 << 16):
        digest.update(data)
        size += len(data)
    return JsonResponse({"size": size, "sha256": digest.hexdigest()})


def download(request, size):
    pieces = (b"x" * min(1 << 16, size - at) for at in range(0, size, 1 << 16))
    return StreamingHttpResponse(pieces, content_type="application/octet-stream", headers={"Content-Length": str(size)})


def stream(request):
    def lines():
        for i in range(5):
            yield f"line {i}\n"
            time.sleep(0.2)

    return StreamingHttpResponse(lines(), content_type="text/plain", headers={"X-Accel-Buffering": "no"})


def echo(request, rest):
    return JsonResponse({"path": rest, "header": request.headers.get("X-Word", "")})


def fail(request):
    raise RuntimeError("this page fails on purpose")
