package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
)

// helpers are programs that the test binary turns into when APPD_TEST names one.
var helpers = map[string]func(){
	"worker":     func() { (&testWorker{}).main() },
	"supervisor": supervisorMain,
	"exec":       execAppMain,
	"fastcgi":    fastcgiAppMain,
}

const execVerb = "-exec-verb-of-the-tests"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == execVerb {
		if err := ExecMain(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if f := helpers[os.Getenv("APPD_TEST")]; f != nil {
		f()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// execAppMain is a program of the LISTEN_FDS convention.
func execAppMain() {
	if os.Getenv("BEHAVE") == "children" {
		stubborn := exec.Command("sh", "-c", "trap '' TERM; sleep 3600; sleep 3600")
		stubborn.Start()
	}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" {
		fmt.Println("not for me:", os.Getenv("LISTEN_PID"), os.Getpid())
		os.Exit(1)
	}
	ln, err := net.FileListener(os.NewFile(3, "l"))
	if err != nil {
		panic(err)
	}
	if address := os.Getenv("NOTIFY_SOCKET"); address != "" {
		c, err := net.Dial("unixgram", address)
		if err == nil {
			c.Write([]byte("READY=1\n"))
		}
	}
	answer(ln)
}

// fastcgiAppMain is a program with its listening socket on descriptor 0.
func fastcgiAppMain() {
	flags, err := unix.FcntlInt(0, unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 || os.Getenv("PHP_FCGI_CHILDREN") != "" {
		fmt.Println("a bad descriptor 0:", flags, err)
		os.Exit(1)
	}
	for { // not through package net, which makes the shared socket non-blocking
		fd, _, err := unix.Accept(0)
		if err != nil {
			os.Exit(1)
		}
		unix.Write(fd, identity())
		unix.Close(fd)
	}
}

func identity() []byte {
	return fmt.Appendf(nil, "slot %s gen %s pid %d\n", os.Getenv("APPD_WORKER_ID"), os.Getenv("APPD_GENERATION"), os.Getpid())
}

func answer(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		c.Write(identity())
		c.Close()
	}
}

// programConfig is what supervisorMain is told.
type programConfig struct {
	Kind    Kind
	Dir     string
	Address []string
	PIDFile string
	Workers int
	Env     []string
}

// supervisorMain is an appd of its own.
func supervisorMain() {
	var c programConfig
	if err := json.Unmarshal([]byte(os.Getenv("SUPERVISOR")), &c); err != nil {
		panic(err)
	}
	app := map[Kind]string{KindGo: "worker", KindExec: "exec", KindFastCGI: "fastcgi"}[c.Kind]
	cfg := Config{
		Workers: c.Workers, CaptureOutput: true, RunDir: c.Dir, PIDFile: c.PIDFile,
		GracefulTimeout: 20 * time.Second, BootTimeout: longEnough,
		App:  App{Name: "test", Kind: c.Kind, Command: []string{os.Args[0]}, Umask: 0o027, Env: append(c.Env, "APPD_TEST="+app), ReadyAfter: 100 * time.Millisecond},
		Self: []string{os.Args[0]}, ExecVerb: execVerb,
		Log:     hclog.New(&hclog.LoggerOptions{Output: os.Stdout, Level: hclog.Debug}),
		OnReady: func() { fmt.Println("supervisor ready", os.Getpid()) },
	}
	for _, a := range c.Address {
		cfg.Listeners = append(cfg.Listeners, Listener{Worker: handoff.Listener{Address: a}})
	}
	if file := os.Getenv("FAIL_UPGRADE"); file != "" && os.Getenv(upgradeEnv) != "" {
		if how, err := os.ReadFile(file); err == nil {
			cfg.App.Env = append(cfg.App.Env, "BEHAVE="+string(how))
		}
	}
	if os.Getenv("HANG_UPGRADE") != "" && os.Getenv(upgradeEnv) != "" {
		cfg.App.Env = append(cfg.App.Env, "BEHAVE=hang")
	}
	if os.Getenv("STOP_UPGRADE") != "" && os.Getenv(upgradeEnv) != "" {
		fmt.Println("supervisor stopped")
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	s, err := New(cfg)
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Println("supervisor ended", os.Getpid(), err)
	os.Exit(ExitStatus(err))
}
