// The admin endpoint: health, metrics, status, the page.

package status

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/appd-server/appd/supervisor"
)

//go:embed assets
var assets embed.FS

// Admin serves what operators, load balancers and Prometheus ask for.
type Admin struct {
	Source   Source
	Version  string      // appd's
	ErrorLog *log.Logger // nil: Go's standard logger

	mu      sync.Mutex // guards what follows
	history ring
	last    *moment
}

// Serve answers on l, which it closes, until ctx ends. Requests in hand get a
// second then.
func (a *Admin) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          a.ErrorLog,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.watch(ctx)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	}()
	err := srv.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-done
		return nil
	}
	return err // with a listener that failed; watch ends with ctx
}

// watch takes a sample every step until ctx ends.
func (a *Admin) watch(ctx context.Context) {
	tick := time.NewTicker(historyStep)
	defer tick.Stop()
	for {
		a.sample(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *Admin) sample(ctx context.Context) {
	s, err := a.ask(ctx)
	if err != nil {
		return // the graphs get a gap
	}
	m := newMoment(s, time.Now())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last != nil {
		a.history.add(m.since(a.last))
	}
	a.last = m
}

func (a *Admin) ask(ctx context.Context) (supervisor.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return a.Source(ctx)
}

func (a *Admin) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(a.Source, a.Version),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic("status: " + err.Error()) // a name that the compiler has embedded
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: a.errorLog()}))
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("GET /status", a.status)
	mux.HandleFunc("GET /history", a.samples)
	mux.Handle("GET /", http.FileServerFS(files))
	return guard(mux)
}

func (a *Admin) errorLog() promhttp.Logger {
	if a.ErrorLog == nil {
		return log.Default()
	}
	return a.ErrorLog
}

// guard sets what keeps browsers from mixing the page with anything else: nothing
// is loaded from elsewhere, nobody frames it, nothing is guessed or kept.
func guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// healthz says that the supervisor is alive: its loop answers.
func (a *Admin) healthz(w http.ResponseWriter, r *http.Request) {
	if _, err := a.ask(r.Context()); err != nil {
		http.Error(w, "the supervisor does not answer: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ok\n"))
}

// readyz says whether a load balancer should send requests here.
func (a *Admin) readyz(w http.ResponseWriter, r *http.Request) {
	s, err := a.ask(r.Context())
	switch {
	case err != nil:
		http.Error(w, "the supervisor does not answer: "+err.Error(), http.StatusServiceUnavailable)
	case s.Stopping:
		http.Error(w, "stopping", http.StatusServiceUnavailable)
	case !s.Ready:
		http.Error(w, "no worker is ready", http.StatusServiceUnavailable)
	default:
		w.Write([]byte("ready\n"))
	}
}

func (a *Admin) status(w http.ResponseWriter, r *http.Request) {
	s, err := a.ask(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	JSON(w, &s)
}

// samples answers with the samples later than the parameter after, a time as the
// samples have it, and with the snapshot of now: all that the page needs.
func (a *Admin) samples(w http.ResponseWriter, r *http.Request) {
	var after time.Time
	if text := r.URL.Query().Get("after"); text != "" {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			http.Error(w, "after is not a time", http.StatusBadRequest)
			return
		}
		after = t
	}
	s, err := a.ask(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	a.mu.Lock()
	list := a.history.after(after)
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(struct {
		Now     time.Time           `json:"now"`
		Version string              `json:"version"`
		Step    float64             `json:"step"`   // seconds
		Length  int                 `json:"length"` // samples that are kept
		Samples []Sample            `json:"samples"`
		Status  supervisor.Snapshot `json:"status"`
	}{time.Now(), a.Version, historyStep.Seconds(), historyLength, list, s})
}
