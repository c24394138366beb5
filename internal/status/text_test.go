package status

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

// golden compares got with a file of testdata, which APPD_GOLDEN=write renews.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("APPD_GOLDEN") == "write" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (APPD_GOLDEN=write renews it):\n%s", path, diff)
	}
}

func TestText(t *testing.T) {
	s := fixture()
	var b strings.Builder
	if err := Text(&b, &s, noon); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.txt", b.String())
}

func TestTextOfAYoungSupervisor(t *testing.T) {
	var b strings.Builder
	s := supervisor.Snapshot{App: "shop", Kind: supervisor.KindPython, PID: 7, Started: noon, Wanted: 1, Generation: 1}
	if err := Text(&b, &s, noon); err != nil {
		t.Fatal(err)
	}
	golden(t, "young.txt", b.String())
}

// Whatever a client or an application says, a terminal gets printable text.
func TestTerminalsAreSafe(t *testing.T) {
	s := fixture()
	s.App = "shop\x1b]0;owned\x07"
	s.LastReload.Reason = "\x9b31m"
	var b strings.Builder
	if err := Text(&b, &s, noon); err != nil {
		t.Fatal(err)
	}
	now := newMoment(s, noon)
	lines := strings.Split(b.String(), "\n")
	lines = append(lines, screen{200, 100, strings.ToUpper}.lines(now, now)...)
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f || r == 0xfffd }) {
			t.Errorf("unsafe line %q", line)
		}
	}
}

func TestJSONIsReadBack(t *testing.T) {
	s := fixture()
	s.Workers[0].InFlight[1].Path = "/" // JSON has no bytes that are not UTF-8
	var b bytes.Buffer
	if err := JSON(&b, &s); err != nil {
		t.Fatal(err)
	}
	var back supervisor.Snapshot
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, s) {
		t.Error(cmp.Diff(s, back))
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		span(0): "0s", span(900 * time.Nanosecond): "0µs", span(1500 * time.Microsecond): "1ms", span(59950 * time.Millisecond): "60.0s",
		span(61 * time.Second): "1m1s", span(3*time.Hour + 12*time.Minute): "3h12m", span(1000 * time.Hour): "41d16h", span(-1): "0s",
		size(0): "0 B", size(1023): "1023 B", size(1 << 10): "1.0 KiB", size(1023 << 10): "1.0 MiB", size(40 << 20): "40.0 MiB", size(1 << 62): "4.0 EiB",
		rate(0): "0", rate(0.04): "0.0", rate(9.96): "10.0", rate(12345.6): "12346",
		plural(1, "worker"): "1 worker", plural(uint64(0), "worker"): "0 workers",
		Clean("a\tb\x00\xff\u2028é"): `a    b\x00\xff\u2028é`, cut("abcdef", 4): "abc…", cut("abc", 3): "abc", cut("abc", 0): "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRates(t *testing.T) {
	s := fixture()
	before := newMoment(s, noon)
	s.Workers = append([]supervisor.WorkerStatus(nil), s.Workers...)
	w := &s.Workers[0]
	w.Counters.Requests[1][2] += 900
	w.Counters.Requests[2][5] += 100
	w.Counters.Events[handoff.BytesOut] += 4096
	w.Counters.Durations.Buckets[0] += 500 // up to 100µs
	w.Counters.Durations.Buckets[6] += 500 // 5ms to 10ms
	w.CPU += 5 * time.Second
	got := newMoment(s, noon.Add(10*time.Second)).since(before)
	want := Sample{
		At: noon.Add(10 * time.Second), Requests: 100, Classes: [6]float64{2: 90, 5: 10}, Sent: 409.6,
		P50: 0.0001, P90: 0.009, P99: 0.0099, InFlight: 3, Open: 18, Queue: 7, Ready: 1, Workers: 4, Memory: 79<<20 + 900<<10, CPU: 0.5,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })); diff != "" {
		t.Error(diff)
	}
}

// The totals go on when a worker is replaced: its counters move to those of the gone.
func TestTotalsSurviveAReplacement(t *testing.T) {
	s := fixture()
	before := newMoment(s, noon)
	s.Gone.Add(&s.Workers[0].Counters)
	s.GoneCPU += s.Workers[0].CPU
	s.Workers = append([]supervisor.WorkerStatus{{Slot: 0, PID: 9999, State: "ready"}}, s.Workers[1:]...)
	after := newMoment(s, noon.Add(time.Second))
	if after.sum != before.sum || after.cpu != before.cpu {
		t.Errorf("totals were %+v, %v, are %+v, %v", before.sum, before.cpu, after.sum, after.cpu)
	}
	if r := after.since(before); r.Requests != 0 || r.CPU != 0 {
		t.Errorf("rates %+v", r)
	}
	s.PID++ // an upgrade: another supervisor, which starts at nothing
	s.Gone = handoff.Counters{}
	if r := newMoment(s, noon.Add(time.Second)).since(before); r.Requests != 0 || r.CPU != 0 || r.P99 != 0 {
		t.Errorf("rates after an upgrade %+v", r)
	}
}

func TestQuantile(t *testing.T) {
	var h handoff.Histogram
	if q := quantile(&h, 0.5); q != 0 {
		t.Errorf("median of nothing = %v", q)
	}
	h.Buckets[len(h.Buckets)-1] = 1
	if q := quantile(&h, 0.5); q != 60 {
		t.Errorf("median of more than a minute = %v", q)
	}
}

func TestRing(t *testing.T) {
	var r ring
	for i := range historyLength + 10 {
		r.add(Sample{At: noon.Add(time.Duration(i) * time.Second), Ready: i})
	}
	if all := r.after(time.Time{}); len(all) != historyLength || all[0].Ready != 10 || all[historyLength-1].Ready != historyLength+9 {
		t.Errorf("%d samples from %d to %d", len(all), all[0].Ready, all[len(all)-1].Ready)
	}
	if late := r.after(noon.Add((historyLength + 7) * time.Second)); len(late) != 2 {
		t.Errorf("%d late samples, want 2", len(late))
	}
}
