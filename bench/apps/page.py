"""Ten kilobytes."""
BODY = b"0123456789abcde\n" * 640


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
