"""The control channel to the supervisor, as far as Python speaks it: before the
engine is loaded, and in a preload process."""
import array
import json
import os
import socket
import sys

PACKET = 128 << 10
DESCRIPTORS = 128


class Channel:
    """One JSON message a packet; descriptors travel beside it."""

    def __init__(self, descriptor):
        self.socket = socket.socket(fileno=descriptor)
        self.socket.setblocking(True)
        os.set_inheritable(descriptor, False)
        os.register_at_fork(after_in_child=self.close)

    def send(self, **message):
        self.socket.sendall(json.dumps(message).encode())

    def receive(self):
        """Returns a message and its descriptors; None at the supervisor's end."""
        size = array.array("i").itemsize
        data, ancillary, _, _ = self.socket.recvmsg(PACKET, socket.CMSG_SPACE(DESCRIPTORS * size), socket.MSG_CMSG_CLOEXEC)
        descriptors = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) - len(content) % size])
        if not data:
            return None, list(descriptors)
        return json.loads(data), list(descriptors)

    def close(self):
        self.socket.close()


def report_failure(descriptor, text):
    """Tells why the application cannot be loaded: to the supervisor, else to stderr."""
    message = json.dumps({"kind": "failed", "text": text[-(PACKET // 2):]}).encode()
    try:
        with socket.socket(fileno=os.dup(descriptor)) as channel:
            channel.sendall(message)
    except (TypeError, OSError):
        print(text, file=sys.stderr)
