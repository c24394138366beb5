package handoff

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns both ends of a control socket.
func pair(t *testing.T) (up, down *Conn) {
	t.Helper()
	up, f, err := Socketpair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	down, err = NewConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { up.Close(); down.Close() })
	return up, down
}

func TestMessagesKeepTheirBounds(t *testing.T) {
	up, down := pair(t)
	want := []Message{
		{Kind: Ready, Version: Version, Settings: new(Defaults()), Files: []string{"a.py"}},
		{Kind: Draining},
		{Kind: NoteMsg, Level: "warn", Text: "line\nbreak \x00 \u2028"},
		{Kind: "from the future", Text: "kept"},
	}
	for _, m := range want {
		if err := down.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range want {
		got, fds, err := up.Receive()
		if err != nil || len(fds) != 0 || !reflect.DeepEqual(got, m) {
			t.Errorf("Receive() = %+v, %v, %v, want %+v", got, fds, err, m)
		}
	}
}

func TestDescriptorsTravelCloseOnExec(t *testing.T) {
	up, down := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := up.Send(Message{Kind: Dump}, int(w.Fd()), int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, fds, err := down.Receive()
	if err != nil || len(fds) != 2 {
		t.Fatalf("Receive() = %v, %v, want two descriptors", fds, err)
	}
	for _, fd := range fds {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d: flags %#x, %v, want close-on-exec", fd, flags, err)
		}
	}
	unix.Write(fds[1], []byte("stacks"))
	CloseFDs(fds)
	if got, err := io.ReadAll(r); string(got) != "stacks" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// The last words of a worker must arrive even if it died with mail unread, which
// the kernel reports as a reset ahead of the words.
func TestLastWordsAndThenEOF(t *testing.T) {
	up, down := pair(t)
	for range 3 {
		if err := up.Send(Message{Kind: Drain}); err != nil {
			t.Fatal(err)
		}
	}
	if err := down.Send(Message{Kind: Failed, Text: "no such module"}); err != nil {
		t.Fatal(err)
	}
	down.Close()
	if m, _, err := up.Receive(); err != nil || m.Text != "no such module" {
		t.Errorf("Receive() = %+v, %v", m, err)
	}
	for range 2 {
		if _, _, err := up.Receive(); err != io.EOF {
			t.Errorf("Receive() after the end = %v, want io.EOF", err)
		}
	}
	if err := up.Send(Message{Kind: Drain}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Send() to the dead = %v, want EPIPE", err)
	}
}

func TestBadPacketsConcernOnePacketOnly(t *testing.T) {
	up, down := pair(t)
	if err := down.Send(Message{Kind: NoteMsg, Text: strings.Repeat("x", maxPacket)}); !errors.Is(err, ErrPacket) {
		t.Errorf("Send() of too much = %v, want ErrPacket", err)
	}
	if err := down.Send(Message{Kind: Reopen}, make([]int, maxFDs+1)...); !errors.Is(err, ErrPacket) {
		t.Errorf("Send() of too many descriptors = %v, want ErrPacket", err)
	}
	raw := func(p string) {
		if _, err := down.file.Write([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	bad := []string{"{", `[]`, `{"kind":7}`, `{"kind":""}`, `{}`, `"` + strings.Repeat("x", maxPacket) + `"`}
	for _, p := range bad {
		raw(p)
	}
	raw(`{"kind":"note","text":"still here","newer":[1]}`)
	for _, p := range bad {
		if _, _, err := up.Receive(); !errors.Is(err, ErrPacket) {
			t.Errorf("Receive() of %.20q = %v, want ErrPacket", p, err)
		}
	}
	if m, _, err := up.Receive(); err != nil || m.Text != "still here" {
		t.Errorf("Receive() = %+v, %v", m, err)
	}
}

func TestSendToAStoppedPeerIsBounded(t *testing.T) {
	up, _ := pair(t)
	up.SetSendDeadline(time.Now().Add(10 * time.Millisecond))
	for range 1 << 20 {
		if err := up.Send(Message{Kind: NoteMsg, Text: strings.Repeat("x", 1000)}); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Send() = %v, want a deadline", err)
			}
			return
		}
	}
	t.Error("a socket that nobody reads took a gigabyte")
}

func TestCloseEndsReceive(t *testing.T) {
	up, _ := pair(t)
	done := make(chan error)
	go func() { _, _, err := up.Receive(); done <- err }()
	up.Close()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Receive() = %v, want os.ErrClosed", err)
	}
}

func TestSendFilesSplits(t *testing.T) {
	up, down := pair(t)
	var want, got []string
	for i := range 3000 {
		want = append(want, fmt.Sprintf("/usr/lib/python3/dist-packages/a_rather_long_package/module%d.py", i))
	}
	sent := make(chan error, 1)
	go func() { sent <- down.SendFiles(want) }()
	packets := 0
	for ; len(got) < len(want); packets++ {
		m, _, err := up.Receive()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Files...)
	}
	if err := <-sent; err != nil || !reflect.DeepEqual(got, want) || packets < 2 {
		t.Errorf("%d names in %d packets, %v", len(got), packets, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"kind":"ready","version":1,"settings":{"timeout":"30s"},"files":["a"]}`))
	f.Add([]byte(`{"kind":"drain","queue":true,"grace":"1h"}`))
	f.Add([]byte(`{"kind":"x","grace":1}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := decode(p)
		if (err == nil) != (m.Kind != "") {
			t.Errorf("decode(%q) = %+v, %v", p, m, err)
		}
	})
}
