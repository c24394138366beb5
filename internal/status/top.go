// What `appd top` shows: a screen that is drawn anew every second.

package status

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

// screen renders two moments as at most height lines of at most width columns; bold
// marks headings for a terminal.
type screen struct {
	width, height int
	bold          func(string) string
}

// lines puts a screen together: rates, workers, listeners and, in what room is
// left, the requests in flight.
func (sc screen) lines(before, now *moment) []string {
	s, r := &now.snap, now.since(before)
	list := []string{sc.bold(cut(headline(s, now.at), sc.width))}
	list = append(list,
		fmt.Sprintf("requests %s/s   2xx %s  3xx %s  4xx %s  5xx %s  none %s", rate(r.Requests),
			rate(r.Classes[2]), rate(r.Classes[3]), rate(r.Classes[4]), rate(r.Classes[5]), rate(r.Classes[0])),
		fmt.Sprintf("latency p50 %s  p90 %s  p99 %s   in flight %d   queue %d   connections %d", latency(r.P50), latency(r.P90), latency(r.P99), r.InFlight, r.Queue, r.Open),
		fmt.Sprintf("cpu %.0f%%   memory %s   sent %s/s   received %s/s", r.CPU*100, size(r.Memory), size(int64(r.Sent)), size(int64(r.Received))),
		"")
	list = sc.table(list, topWorkers(before, now))
	list = sc.table(append(list, ""), listenerLines(s))
	if last := s.LastReload; last != nil && !last.OK {
		list = append(list, "", "last reload "+reloadLines(s)[0])
	}
	if room := sc.height - len(list) - 3; room > 0 {
		if requests := inFlight(s, room); len(requests) > 0 {
			list = sc.table(append(list, ""), requests)
		}
	}
	for i := range list {
		if i > 0 {
			list[i] = cut(list[i], sc.width)
		}
	}
	return list[:min(len(list), sc.height)]
}

// table appends the lines of a table, its heading in bold.
func (sc screen) table(list, table []string) []string {
	for i, line := range table {
		line = cut(line, sc.width)
		if i == 0 {
			line = sc.bold(line)
		}
		list = append(list, line)
	}
	return list
}

func latency(s float64) string {
	if s == 0 {
		return "-"
	}
	return span(time.Duration(s * float64(time.Second)))
}

// topWorkers is the table of workers with rates in place of totals.
func topWorkers(before, now *moment) []string {
	per := now.at.Sub(before.at).Seconds()
	t := table{heads: []string{"SLOT", ">GEN", ">PID", "STATE", ">AGE", ">REQ/S", ">CPU", ">MEMORY", ">ACTIVE", ">CONNS", ">ERRORS", "NOTE"}}
	for i := range now.snap.Workers {
		w := &now.snap.Workers[i]
		requests, cpu := "-", "-"
		if old := process(&before.snap, w.PID); old != nil && per > 0 {
			requests = rate(less(w.Counters.Served(), old.Counters.Served()) / per)
			cpu = fmt.Sprintf("%.0f%%", max(0, (w.CPU-old.CPU).Seconds()/per*100))
		}
		t.add(strconv.Itoa(w.Slot), strconv.Itoa(w.Generation), pid(w), w.State, age(w, now.at), requests, cpu, size(w.PSS),
			strconv.FormatInt(w.Gauges[handoff.Active], 10), strconv.FormatInt(w.Gauges[handoff.Open], 10),
			strconv.FormatUint(w.Errors, 10), note(w))
	}
	return t.lines()
}

// process finds a worker process, which its pid names.
func process(s *supervisor.Snapshot, pid int) *supervisor.WorkerStatus {
	i := slices.IndexFunc(s.Workers, func(w supervisor.WorkerStatus) bool { return w.PID == pid })
	if pid == 0 || i < 0 {
		return nil
	}
	return &s.Workers[i]
}

// frame is what redraws a terminal of any content without a flicker: home, each line
// with the rest of the old one erased, and what is below erased.
func frame(lines []string) string {
	return "\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J"
}
