// What `appd status` prints.

package status

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/supervisor"
)

// Text writes s for people; now is the time that ages are counted to.
func Text(w io.Writer, s *supervisor.Snapshot, now time.Time) error {
	lines := []string{headline(s, now), ""}
	lines = append(lines, workerTable(s, now)...)
	lines = section(lines, "in flight", inFlight(s, 100))
	lines = section(lines, "listeners", listenerLines(s))
	lines = section(lines, "last reload", reloadLines(s))
	lines = section(lines, "deaths", deathLines(s, now))
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// JSON writes s for programs.
func JSON(w io.Writer, s *supervisor.Snapshot) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(s)
}

// section appends a titled part, unless it is empty.
func section(lines []string, title string, part []string) []string {
	if len(part) == 0 {
		return lines
	}
	lines = append(lines, "", title)
	for _, line := range part {
		lines = append(lines, "  "+line)
	}
	return lines
}

func headline(s *supervisor.Snapshot, now time.Time) string {
	ready := 0
	for i := range s.Workers {
		if s.Workers[i].State == "ready" {
			ready++
		}
	}
	state := "not ready"
	switch {
	case s.Stopping:
		state = "stopping"
	case s.Ready:
		state = "ready"
	}
	return fmt.Sprintf("%s (%s): %s, %d of %s ready, generation %d, pid %d, up %s",
		Clean(s.App), s.Kind, state, ready, plural(s.Wanted, "worker"), s.Generation, s.PID, span(now.Sub(s.Started)))
}

func workerTable(s *supervisor.Snapshot, now time.Time) []string {
	t := table{heads: []string{"SLOT", ">GEN", ">PID", "STATE", ">AGE", ">REQUESTS", ">ERRORS", ">ACTIVE", ">MEMORY", ">CPU", "NOTE"}}
	for i := range s.Workers {
		w := &s.Workers[i]
		t.add(strconv.Itoa(w.Slot), strconv.Itoa(w.Generation), pid(w), w.State, age(w, now),
			strconv.FormatUint(w.Requests, 10), strconv.FormatUint(w.Errors, 10), strconv.FormatInt(w.Gauges[handoff.Active], 10),
			size(w.PSS), span(w.CPU), note(w))
	}
	return t.lines()
}

// pid is the worker's process, which one that waits to be started does not have.
func pid(w *supervisor.WorkerStatus) string {
	if w.PID == 0 {
		return "-"
	}
	return strconv.Itoa(w.PID)
}

func age(w *supervisor.WorkerStatus, now time.Time) string {
	if w.PID == 0 {
		return "-"
	}
	return span(now.Sub(w.Started))
}

// silence is how long a worker may go without a heartbeat before status says so.
const silence = 5 * time.Second

// note is what else there is to say of a worker.
func note(w *supervisor.WorkerStatus) string {
	var notes []string
	if w.Reason != supervisor.None {
		notes = append(notes, string(w.Reason))
	}
	if w.Restarts > 0 {
		notes = append(notes, plural(w.Restarts, "failure")+" in a row")
	}
	if w.PID != 0 && w.Beat > silence {
		notes = append(notes, "silent for "+span(w.Beat))
	}
	return strings.Join(notes, ", ")
}

// request is a request in flight and where it is.
type request struct {
	supervisor.RequestStatus
	slot int
}

// oldest returns at most n requests in flight, the oldest first, and how many more
// there are.
func oldest(s *supervisor.Snapshot, n int) (list []request, more int) {
	total := 0
	for i := range s.Workers {
		w := &s.Workers[i]
		total += max(int(w.Gauges[handoff.Active]), len(w.InFlight))
		for _, r := range w.InFlight {
			list = append(list, request{r, w.Slot})
		}
	}
	slices.SortStableFunc(list, func(a, b request) int { return int(b.Age - a.Age) })
	list = list[:min(n, len(list))]
	return list, total - len(list)
}

func inFlight(s *supervisor.Snapshot, n int) []string {
	list, more := oldest(s, n)
	if len(list) == 0 {
		return nil
	}
	t := table{heads: []string{"SLOT", ">AGE", ">OWN TIME", "REQUEST", "CLIENT", "ID"}}
	for _, r := range list {
		t.add(strconv.Itoa(r.slot), span(r.Age), owned(&r.RequestStatus), cut(Clean(r.Method+" "+r.Path), 80), Clean(r.Remote), Clean(r.ID))
	}
	lines := t.lines()
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// owned is the time that counts against the limit.
func owned(r *supervisor.RequestStatus) string {
	text := span(r.Owned)
	if r.Limit > 0 {
		text += " of " + span(r.Limit)
	}
	if r.Paused {
		text += ", paused"
	}
	return text
}

func listenerLines(s *supervisor.Snapshot) []string {
	if len(s.Listeners) == 0 {
		return nil
	}
	t := table{heads: []string{"ADDRESS", "PROTOCOL", ">QUEUE", ">LIMIT"}}
	for _, l := range s.Listeners {
		queue := "-"
		if l.Queue >= 0 {
			queue = strconv.Itoa(l.Queue)
		}
		t.add(Clean(l.Address), l.Protocol, queue, strconv.Itoa(l.Limit))
	}
	return t.lines()
}

func reloadLines(s *supervisor.Snapshot) []string {
	r := s.LastReload
	if r == nil {
		return nil
	}
	reason := strings.Split(strings.TrimRight(r.Reason, "\n"), "\n") // several lines if it is the configuration's
	line := fmt.Sprintf("%s: done in %s, generation %d", r.At.Format(time.DateTime), span(r.Took), r.Generation)
	if !r.OK {
		line = fmt.Sprintf("%s: refused after %s, generation %d goes on: %s", r.At.Format(time.DateTime), span(r.Took), r.Generation, Clean(reason[0]))
	}
	return append([]string{line}, append(output(reason[1:]), output(r.Output)...)...)
}

func deathLines(s *supervisor.Snapshot, now time.Time) (lines []string) {
	for i := range s.Deaths {
		d := &s.Deaths[i]
		if i > 0 && ordinary(d.Reason) {
			continue // of those that were meant to leave the latest is enough
		}
		lines = append(lines, fmt.Sprintf("%s ago, worker %d gen %d pid %d: %s (%s) after %s and %s",
			span(now.Sub(d.At)), d.Slot, d.Generation, d.PID, d.Reason, exit(d), span(d.Age), plural(d.Requests, "request")))
		for _, r := range d.InFlight {
			lines = append(lines, fmt.Sprintf("  lost %s after %s", cut(Clean(r.Method+" "+r.Path), 80), span(r.Age)))
		}
		if !ordinary(d.Reason) {
			if why := strings.TrimSpace(d.Why); why != "" { // the last line of a traceback says most
				lines = append(lines, "  because: "+Clean(why[strings.LastIndexByte(why, '\n')+1:]))
			}
			lines = append(lines, lastWords(d.Output)...)
		}
	}
	return lines
}

// ordinary says whether a worker that left for this reason was meant to.
func ordinary(r supervisor.Reason) bool {
	switch r {
	case supervisor.Reloaded, supervisor.ScaledDown, supervisor.Stopped, supervisor.Upgraded,
		supervisor.MaxRequests, supervisor.MaxAge, supervisor.MaxMemory, supervisor.Outdated:
		return true
	}
	return false
}

// exit says how the process ended.
func exit(d *supervisor.Death) string {
	if d.Signal == 0 && d.PID == 0 {
		return "it could not be started"
	}
	if d.Signal == 0 {
		return fmt.Sprintf("exit status %d", d.Code)
	}
	text := supervisor.SignalName(d.Signal)
	if d.By != "" {
		text += " by " + string(d.By)
	}
	return text
}

// fewLines is how much of a death's output is shown; JSON has all.
const fewLines = 8

// lastWords shows the end of what a process has said.
func lastWords(lines []string) []string {
	more := len(lines) - fewLines
	if more <= 0 {
		return output(lines)
	}
	return append([]string{fmt.Sprintf("  | (%s before that)", plural(more, "line"))}, output(lines[more:])...)
}

// output shows lines of a process.
func output(lines []string) (list []string) {
	for _, line := range lines {
		list = append(list, "  | "+Clean(line))
	}
	return list
}
