// wsgi.file_wrapper: what sendfile sends is what read() would have returned.

package python_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	w := suite(t, options{})
	data := bytes.Repeat([]byte("sendfile "), 300000)
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if status, body := w.get("/file?" + path); status != 200 || body != string(data[3:]) {
		t.Errorf("%d, %d of %d bytes", status, len(body), len(data)-3)
	}
}

// Whatever has a descriptor is not for that reason a file whose bytes are on disk as
// read() returns them.
func TestKindsOfFiles(t *testing.T) {
	w := start(t, options{files: map[string]string{"app.py": `
import bz2, gzip, io, lzma, os, sys, tempfile
text = b"0123456789" * 10000
folder = tempfile.mkdtemp(dir=os.getcwd())
packers = {"gz": gzip, "bz2": bz2, "xz": lzma}
for name, packer in packers.items():
    with packer.open(folder + "/" + name, "wb") as f:
        f.write(text)
with open(folder + "/plain", "wb") as f:
    f.write(text)
class Upper(io.RawIOBase):
    """A reader of its own making, over a real file."""
    def __init__(self, path):
        self.file = open(path, "rb", buffering=0)
    def readable(self):
        return True
    def fileno(self):
        return self.file.fileno()
    def readinto(self, memory):
        data = self.file.read(len(memory)).replace(b"0", b"X")
        memory[:len(data)] = data
        return len(data)
class Proxy:
    """As Django's File."""
    def __init__(self, file):
        self.file = file
    read = property(lambda self: self.file.read)
    fileno = property(lambda self: self.file.fileno)
    tell = property(lambda self: self.file.tell)
    close = property(lambda self: self.file.close)
def make(kind):
    if kind in packers:
        return packers[kind].open(folder + "/" + kind)
    if kind == "upper":
        return io.BufferedReader(Upper(folder + "/plain"))
    if kind == "pipe":
        reader, writer = os.pipe()
        os.write(writer, text[:60000])
        os.close(writer)
        return open(reader, "rb")
    if kind == "proxy":
        return Proxy(Proxy(open(folder + "/plain", "rb")))
    file = {"temporary": tempfile.TemporaryFile, "named": tempfile.NamedTemporaryFile, "spooled": tempfile.SpooledTemporaryFile}[kind]()
    file.write(text)
    file.seek(0)
    return file
def application(environ, start_response):
    kind = environ["PATH_INFO"][1:]
    wrapper = environ["wsgi.file_wrapper"](make(kind))
    if kind != "pipe":
        wrapper.filelike.read(10)
    start_response("200 OK", [("X-Place", str(wrapper.place() is not None))])
    return wrapper
`}})
	whole := strings.Repeat("0123456789", 9999)
	for _, c := range []struct{ kind, want, sendfile string }{
		{"gz", whole, "False"}, {"bz2", whole, "False"}, {"xz", whole, "False"}, {"upper", strings.ReplaceAll(whole, "0", "X"), "False"},
		{"pipe", whole[:60000], "False"}, {"spooled", whole, "False"}, {"temporary", whole, "True"}, {"named", whole, "True"}, {"proxy", whole, "True"},
	} {
		r, err := w.client().Get("http://test.example/" + c.kind)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		r.Body.Close()
		if got := r.Header.Get("X-Place"); body.String() != c.want || got != c.sendfile {
			t.Errorf("%s: %s, %d bytes %.20q, sendfile %s", c.kind, r.Status, body.Len(), body.String(), got)
		}
	}
}
