"""Something large is loaded once and shared by all workers, copy-on-write."""
import multiprocessing
import os

print("importing in process", os.getpid())

WORDS = {str(i): i * i for i in range(300_000)}
hits = multiprocessing.Value("Q", 0)  # one number for all workers


def pss():
    with open("/proc/self/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def application(environ, start_response):
    with hits.get_lock():
        hits.value += 1
    body = "process %d, worker %d: %d words, %d KiB of memory of its own share, %d requests in all workers\n" % (
        os.getpid(), environ["appd.worker_id"], len(WORDS), pss(), hits.value)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
