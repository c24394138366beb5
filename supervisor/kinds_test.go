package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/appd-server/appd/internal/handoff"
)

func TestKinds(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		switch what {
		case "start":
			time.Sleep(p.order.gen.cfg.App.ReadyAfter)
			p.say(handoff.Message{Kind: handoff.Ready})
		case "terminated":
			p.end(exit{})
		}
	}}
	cfg := Config{Workers: 1}
	cfg.App = App{Kind: KindExec, Command: []string{"x"}, Umask: -1}
	inWorld(t, cfg, w, func() {
		w.after(900 * ms)
		w.want("0/1 starting")
		w.after(200 * ms)
		w.want("0/1 ready")
	})
	if want := []string{"terminated"}; !slices.Equal(w.all()[0].heard(), want) {
		t.Errorf("told %q", w.all()[0].heard())
	}
}

func TestExecAndFastCGIKinds(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{KindExec, KindFastCGI} {
		cfg := realConfig(t, "")
		cfg.App.Kind = kind
		cfg.App.Env = []string{"APPD_TEST=" + string(kind), "PHP_FCGI_CHILDREN=4"}
		cfg.App.ReadyAfter = 200 * time.Millisecond
		cfg.Self, cfg.ExecVerb = []string{os.Args[0]}, execVerb
		if kind == KindExec {
			cfg.App.ReadyAfter = time.Hour // it says so
		}
		v := serve(t, cfg)
		v.allReady(2)
		for gen := 1; gen < 3; gen++ {
			c, err := net.Dial("unix", v.socket)
			if err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(c).ReadString('\n')
			c.Close()
			if err != nil || !strings.Contains(line, fmt.Sprint("gen ", gen)) {
				t.Errorf("%s: %q, %v", kind, line, err)
			}
			if v.nonblocking() == (kind == KindFastCGI) {
				t.Errorf("%s: non-blocking %v", kind, v.nonblocking())
			}
			if err := v.s.Reload(context.Background()); err != nil {
				t.Fatal(err)
			}
			v.allReady(2)
		}
	}
}
