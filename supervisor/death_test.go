package supervisor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/appd-server/appd/internal/handoff"
)

func TestDeathReports(t *testing.T) {
	for _, test := range []struct {
		e      exit
		reason Reason
		by     Killer
		why    string
	}{
		{exit{code: 2}, Crashed, "", ""},
		{exit{}, Crashed, "", "nobody here told it to end"},
		{exit{code: -1, signal: 9}, Killed, ByOther, ""},
		{exit{code: -1, signal: 9, oom: true}, OutOfMemory, ByOOM, ""},
		{exit{code: -1, signal: 11}, Crashed, ByItself, ""},
		{exit{code: -1, signal: 15}, Killed, ByOther, ""},
		{exit{code: -1, signal: 24}, Crashed, ByLimit, ""},
	} {
		w := &fakeWorld{}
		inWorld(t, Config{Workers: 1}, w, func() {
			w.after(time.Second)
			w.all()[0].request("/lost", 0)
			w.all()[0].end(test.e)
			w.after(ms)
			snap, _ := w.s.Status(context.Background())
			d := snap.Deaths[0]
			if d.Reason != test.reason || d.By != test.by || d.Code != test.e.code || len(d.InFlight) != 1 || d.Age != time.Second ||
				!strings.HasPrefix(d.Why, test.why) || (d.Why == "") != (test.why == "") {
				t.Errorf("%+v: death %+v", test.e, d)
			}
		})
	}
}

// Who was told to leave can still crash or be killed by somebody else: the report
// does not hide it.
func TestDeathsOnTheWayOut(t *testing.T) {
	for _, test := range []struct {
		e      exit
		reason Reason
	}{
		{exit{code: -1, signal: 9}, Killed},
		{exit{code: -1, signal: 9, oom: true}, OutOfMemory},
		{exit{code: -1, signal: 11}, Crashed},
		{exit{code: 1}, Stopped}, // a Go program that ends with log.Fatal(server.Run(h))
	} {
		w := &fakeWorld{behave: func(p *fakeProcess, what string) {
			if what == "start" {
				obedient(p, what)
			}
		}}
		var deaths []Reason
		var log lockedBuffer
		cfg := Config{Workers: 1, Log: hclog.New(&hclog.LoggerOptions{Output: &log})}
		inWorld(t, cfg, w, func() {
			w.after(time.Second)
			w.s.Stop(context.Background(), false)
			w.after(time.Second)
			w.all()[0].end(test.e)
			w.after(ms)
		})
		for r := range w.s.deathCount {
			deaths = append(deaths, r)
		}
		if !slices.Equal(deaths, []Reason{test.reason}) {
			t.Errorf("%+v: %q", test.e, deaths)
		}
		if said := strings.Contains(log.String(), "worker died"); said != (test.reason != Stopped) {
			t.Errorf("%+v: %s", test.e, &log)
		}
	}
}

// A worker that begins to leave without our word, because somebody signalled it, gets a
// successor while it finishes; one after the other as slowly as a crash loop.
func TestWorkersThatLeaveUnasked(t *testing.T) {
	w := &fakeWorld{behave: func(p *fakeProcess, what string) {
		if what == "start" {
			obedient(p, what)
		}
	}}
	resigns := handoff.Message{Kind: handoff.Draining, Reason: "SIGTERM from somebody else"}
	inWorld(t, Config{Workers: 1, GracefulTimeout: 5 * time.Second}, w, func() {
		w.after(time.Second)
		w.last().say(resigns)
		w.after(99 * ms)
		w.want("0/1 draining", "0/1 waiting")
		w.after(100 * ms)
		w.want("0/1 draining", "0/1 ready")
		w.all()[0].end(exit{})
		w.after(ms)
		snap, _ := w.s.Status(context.Background())
		if d := snap.Deaths[0]; d.Reason != Left || d.Why != resigns.Reason || d.Code != 0 {
			t.Errorf("death %+v", d)
		}
		w.want("0/1 ready")

		second := w.last()
		second.say(resigns)
		w.after(199 * ms)
		w.want("0/1 draining", "0/1 waiting")
		w.after(100 * ms)
		w.want("0/1 draining", "0/1 ready")
		w.after(5*time.Second + lastChance + 10*ms)
		if want := []string{"dump", "kill"}; !slices.Equal(second.heard(), want) {
			t.Errorf("told %q, want %q", second.heard(), want)
		}
	})
}
