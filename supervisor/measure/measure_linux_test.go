package measure

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPSSGrowsWithMemory(t *testing.T) {
	before, err := PSS(os.Getpid())
	if err != nil || before <= 0 {
		t.Fatalf("PSS = %d, %v", before, err)
	}
	const size = 64 << 20
	p, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON) // Go's heap may have room already
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(p)
	for i := 0; i < size; i += 4096 {
		p[i] = 1
	}
	after, err := PSS(os.Getpid())
	if err != nil || after-before < size*9/10 {
		t.Errorf("PSS went from %d to %d with %d bytes, %v", before, after, size, err)
	}
	resident, err := rss(os.Getpid())
	if err != nil || resident < size {
		t.Errorf("rss = %d, %v", resident, err)
	}
}

func TestCPUIsWhatTheKernelCharges(t *testing.T) {
	var use syscall.Rusage
	charged := func() time.Duration {
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
			t.Fatal(err)
		}
		return time.Duration(use.Utime.Nano() + use.Stime.Nano())
	}
	for charged() < 50*time.Millisecond {
		for range 100000 {
			_ = t.Name()
		}
	}
	before := charged()
	got, err := CPU(os.Getpid())
	after := charged()
	if err != nil || got < before-3*tick || got > after+3*tick {
		t.Errorf("CPU = %v, %v, want %v to %v", got, err, before, after)
	}
}

func TestNoSuchProcess(t *testing.T) {
	const pid = 1 << 30
	if _, err := PSS(pid); err == nil {
		t.Error("PSS of nobody")
	}
	if _, err := CPU(pid); err == nil {
		t.Error("CPU of nobody")
	}
}

// Connections that nobody accepts are seen, and go when they are accepted.
func TestQueue(t *testing.T) {
	for network, address := range map[string]string{
		"unix": filepath.Join(t.TempDir(), "s"), "tcp4": "127.0.0.1:0", "tcp6": "[::1]:0",
	} {
		t.Run(network, func(t *testing.T) {
			l, err := net.Listen(network, address)
			if err != nil {
				if network == "tcp6" {
					t.Skip("no IPv6 here")
				}
				t.Fatal(err)
			}
			defer l.Close()
			queue := func() (depth, limit int) {
				raw, err := l.(syscall.Conn).SyscallConn()
				if err != nil {
					t.Fatal(err)
				}
				raw.Control(func(fd uintptr) {
					unix.Listen(int(fd), 7)
					depth, limit, err = Queue(int(fd))
				})
				if err != nil {
					t.Fatal(err)
				}
				return depth, limit
			}
			for n := range 4 {
				if depth, limit := queue(); depth != n || limit != 7 {
					t.Errorf("queue %d of %d, want %d of 7", depth, limit, n)
				}
				c, err := net.Dial(network, l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
			if c, err := l.Accept(); err == nil {
				defer c.Close()
			}
			if depth, _ := queue(); depth != 3 {
				t.Errorf("queue %d after an accept, want 3", depth)
			}
		})
	}
}

func TestQueueOfSomethingElse(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, _, err := Queue(int(r.Fd())); err == nil {
		t.Error("a pipe has a queue")
	}
	for _, domain := range []int{unix.AF_UNIX, unix.AF_INET} {
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if _, _, err := Queue(fd); err == nil {
			t.Errorf("a socket of domain %d that does not listen has a queue", domain)
		}
	}
}

func FuzzDiagAnswer(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, p []byte) { diagAnswer(p) })
}

func BenchmarkPSS(b *testing.B) {
	for b.Loop() {
		PSS(os.Getpid())
	}
}

func BenchmarkQueue(b *testing.B) {
	l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	raw, _ := l.(syscall.Conn).SyscallConn()
	raw.Control(func(fd uintptr) {
		for b.Loop() {
			Queue(int(fd))
		}
	})
}
