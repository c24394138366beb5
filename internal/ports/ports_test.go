package ports

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestMain lets the test binary be another process that wants ports.
func TestMain(m *testing.M) {
	if os.Getenv("APPD_TEST_PORTS") == "" {
		os.Exit(m.Run())
	}
	for range block {
		port, err := Free()
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Stdout.WriteString(port + "\n")
	}
}

// Two processes never get the same port, and one that is taken is left out.
func TestFree(t *testing.T) {
	mine := map[string]bool{}
	get := func() string {
		port, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		if mine[port] {
			t.Errorf("%s twice", port)
		}
		mine[port] = true
		return port
	}
	get()
	taken, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(next))
	for err != nil { // by somebody else already
		get()
		taken, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(next))
	}
	defer taken.Close()
	for range block {
		if port := get(); strings.HasSuffix(taken.Addr().String(), ":"+port) {
			t.Errorf("%s is taken", port)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "APPD_TEST_PORTS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.Fields(string(out))
	if len(theirs) != block {
		t.Errorf("the other process got %d ports", len(theirs))
	}
	for _, port := range theirs {
		if mine[port] {
			t.Errorf("both processes got %s", port)
		}
	}
}
