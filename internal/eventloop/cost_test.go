// What a request costs beside the system calls on its socket.

//go:build linux

package eventloop

import (
	"encoding/binary"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/protocols/cgi"
)

// packet is a uwsgi request with the variables that nginx sends.
func packet() []byte {
	p := make([]byte, 4)
	for _, s := range []string{
		"QUERY_STRING", "", "REQUEST_METHOD", "GET", "CONTENT_TYPE", "", "CONTENT_LENGTH", "", "PATH_INFO", "/", "REQUEST_URI", "/",
		"DOCUMENT_ROOT", "/srv/http", "SERVER_PROTOCOL", "HTTP/1.1", "REQUEST_SCHEME", "http", "REMOTE_ADDR", "127.0.0.1",
		"REMOTE_PORT", "41234", "SERVER_PORT", "80", "SERVER_NAME", "localhost", "HTTP_HOST", "localhost",
	} {
		p = binary.LittleEndian.AppendUint16(p, uint16(len(s)))
		p = append(p, s...)
	}
	binary.LittleEndian.PutUint16(p[1:], uint16(len(p)-4))
	return p
}

// A foreign thread takes a connection, its request, and answers: the memory of that is
// the connection, the exchange, the head and the text of the head.
func TestMemoryOfARequest(t *testing.T) {
	r := start(t, cgi.UWSGI, func(c *Config) { c.WholeBody = true }, nil)
	request, body := packet(), []byte("hello world\n")
	answer := &cgi.AnswerHead{Status: 200, ContentLength: int64(len(body))}
	to := &unix.SockaddrUnix{Name: r.path}
	var events [1]syscall.EpollEvent
	var got [1024]byte
	n := testing.AllocsPerRun(200, func() {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, to)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		unix.Write(fd, request)
		var x *Exchange
		for x == nil {
			k, err := syscall.EpollWait(r.EpollFD(), events[:], -1)
			if err != nil && err != syscall.EINTR {
				t.Fatal(err)
			}
			x = r.Turn(events[:max(k, 0)])
		}
		x.Answer(answer, body, true)
		if k, err := unix.Read(fd, got[:]); k <= 0 || err != nil {
			t.Fatalf("no answer: %d, %v", k, err)
		}
	})
	if n > 5 { // one of them, at least, is the client's own
		t.Errorf("%v allocations", n)
	}
}
