// Quick requests beside some that burn CPU.

//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// besides loads each server with two connections whose requests burn 20 ms each,
// and shows what 16 quick ones see meanwhile.
func besides(dir string, front *nginx) error {
	cases := []bench{{"appd FastCGI keep-alive", "appd", "fastcgi_keep"}, {"appd HTTP keep-alive", "appd", "http_keep"}, {"net/http keep-alive", "nethttp", "http_keep"}}
	seen := map[string][]loaded{}
	for range *rounds {
		for _, b := range cases {
			l, err := beside(dir, front, b)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%-26s p50 %.2f ms  p99 %.2f ms  %.0f req/s\n", b.name, l.p50, l.p99, l.rate)
			seen[b.name] = append(seen[b.name], l)
		}
	}
	fmt.Println("| server | p50 ms | p99 ms | requests/s |\n|---|---|---|---|")
	for _, b := range cases {
		m := func(f func(loaded) float64) float64 {
			var v []float64
			for _, l := range seen[b.name] {
				v = append(v, f(l))
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		fmt.Printf("| %s | %.2f | %.2f | %.0f |\n", b.name, m(func(l loaded) float64 { return l.p50 }),
			m(func(l loaded) float64 { return l.p99 }), m(func(l loaded) float64 { return l.rate }))
	}
	return nil
}

func beside(dir string, front *nginx, b bench) (loaded, error) {
	s, err := startServer(dir, b.role, *workers)
	if err != nil {
		return loaded{}, err
	}
	defer s.stop()
	length := time.Duration(*seconds * float64(time.Second))
	burning := make(chan error, 1)
	go func() {
		_, err := load(front.url("burn/"+b.location), 2, length+time.Second)
		burning <- err
	}()
	time.Sleep(500 * time.Millisecond)
	l, err := load(front.url(b.location), 16, length)
	if berr := <-burning; err == nil {
		err = berr
	}
	return l, err
}
