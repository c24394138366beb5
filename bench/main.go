// What to measure, and the table.

//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

var (
	role     = flag.String("role", "", "internal: which server this process is")
	rounds   = flag.Int("rounds", 3, "rounds, of which the median counts")
	seconds  = flag.Float64("seconds", 2, "length of one measurement")
	conns    = flag.Int("connections", 32, "connections of wrk")
	workers  = flag.Int("workers", 2, "processes of each server")
	only     = flag.String("only", "", "measure just this case (a name of the table)")
	wakeups  = flag.Bool("wakeups", false, "wake-ups per accepted connection, and the spread of a burst")
	pythonic = flag.Bool("python", false, "a Python application of 12 bytes, beside uWSGI and gunicorn")
	pyloads  = flag.Bool("python-loads", false, "Python applications under other loads")
	memory   = flag.Bool("memory", false, "memory of a Python application's workers")
	mixed    = flag.Bool("mixed", false, "quick requests beside some that burn 20 ms of CPU")
	width    = flag.String("width", "", "a fixed GOMAXPROCS for appd's workers, which otherwise change it by themselves")
	maxprocs = flag.String("gomaxprocs", "", "GOMAXPROCS of the standard library's servers")
)

// A bench is one row of the table.
type bench struct {
	name     string
	role     string // which server
	location string // how nginx reaches it
}

var benches = []bench{
	{"appd FastCGI keep-alive", "appd", "fastcgi_keep"},
	{"appd FastCGI", "appd", "fastcgi"},
	{"appd uwsgi", "appd", "uwsgi"},
	{"appd HTTP keep-alive", "appd", "http_keep"},
	{"appd HTTP", "appd", "http"},
	{"net/http keep-alive", "nethttp", "http_keep"},
	{"net/http", "nethttp", "http"},
	{"net/http/fcgi keep-alive", "fcgi", "fastcgi_keep"},
	{"net/http/fcgi", "fcgi", "fastcgi"},
}

// targets are ratios that the project promises itself.
var targets = []struct {
	what, of, to string
	most         float64
}{
	{"FastCGI keep-alive", "appd FastCGI keep-alive", "net/http/fcgi keep-alive", 0.22},
	{"FastCGI keep-alive", "appd FastCGI keep-alive", "net/http keep-alive", 0.8},
	{"FastCGI, new connections", "appd FastCGI", "net/http/fcgi", 0.3},
	{"uwsgi, new connections", "appd uwsgi", "net/http/fcgi", 0.3},
	{"HTTP keep-alive", "appd HTTP keep-alive", "net/http keep-alive", 0.9},
	{"HTTP, new connections", "appd HTTP", "net/http", 0},
}

func main() {
	flag.Parse()
	var err error
	switch {
	case *role != "":
		err = serve(*role)
	case *wakeups:
		err = behindNginx(herd)
	case *pythonic:
		err = pythons(pyCases[:1], *rounds)
	case *pyloads:
		err = pythons(pyCases[1:], 1)
	case *memory:
		err = memories()
	case *mixed:
		err = behindNginx(besides)
	default:
		err = behindNginx(table)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// behindNginx measures behind an nginx in a folder of its own.
func behindNginx(measurement func(dir string, front *nginx) error) error {
	dir, err := os.MkdirTemp("", "appd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	front, err := startNginx(dir, nil)
	if err != nil {
		return err
	}
	defer front.stop()
	return measurement(dir, front)
}

// result is one measurement: CPU of the server's and of nginx's processes for a
// request, requests per second, 99th percentile, and the PSS of a worker in KiB.
type result struct{ micros, front, rate, p99, share float64 }

// table measures every row in turn, several times.
func table(dir string, front *nginx) error {
	results := map[string][]result{}
	for round := range *rounds {
		for _, b := range benches {
			if *only != "" && *only != b.name {
				continue
			}
			r, err := measure(dir, front, b)
			if err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d  %-26s %6.1f us  %8.0f req/s  p99 %.2f ms\n", round+1, b.name, r.micros, r.rate, r.p99)
			results[b.name] = append(results[b.name], r)
		}
	}
	show(results)
	return nil
}

// measure starts a server, lets it warm up, and loads it.
func measure(dir string, front *nginx, b bench) (result, error) {
	s, err := startServer(dir, b.role, *workers)
	if err != nil {
		return result{}, err
	}
	defer s.stop()
	url := front.url(b.location)
	if _, err := load(url, *conns, 300*time.Millisecond); err != nil {
		return result{}, err
	}
	before := s.cpu()
	l, err := load(url, *conns, time.Duration(*seconds*float64(time.Second)))
	if err != nil {
		return result{}, err
	}
	time.Sleep(20 * time.Millisecond) // the last answers are still being accounted
	used := s.cpu() - before
	return result{micros: used.Seconds() * 1e6 / float64(l.requests), rate: l.rate, p99: l.p99}, nil
}

func median(rs []result, f func(result) float64) float64 {
	var v []float64
	for _, r := range rs {
		v = append(v, f(r))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func show(results map[string][]result) {
	micros := func(name string) float64 {
		return median(results[name], func(r result) float64 { return r.micros })
	}
	fmt.Println("\n| server | CPU us/request | requests/s | p99 ms |\n|---|---|---|---|")
	for _, b := range benches {
		if rs := results[b.name]; rs != nil {
			fmt.Printf("| %s | %.1f | %.0f | %.2f |\n", b.name, micros(b.name),
				median(rs, func(r result) float64 { return r.rate }), median(rs, func(r result) float64 { return r.p99 }))
		}
	}
	fmt.Println("\n| ratio of CPU | measured | at most |\n|---|---|---|")
	for _, t := range targets {
		if results[t.of] == nil || results[t.to] == nil {
			continue
		}
		most := "-"
		if t.most > 0 {
			most = fmt.Sprintf("%.2f", t.most)
		}
		fmt.Printf("| %s / %s | %.2f | %s |\n", t.of, t.to, micros(t.of)/micros(t.to), most)
	}
}
