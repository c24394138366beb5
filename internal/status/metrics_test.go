package status

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/appd-server/appd/supervisor"
)

// scrape is the text that Prometheus would get.
func scrape(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	c := newCollector(func(context.Context) (supervisor.Snapshot, error) { return fixture(), nil }, "1.2.3")
	golden(t, "metrics.txt", scrape(t, c))
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}
}

func TestMetricsOfAYoungSupervisor(t *testing.T) {
	c := newCollector(func(context.Context) (supervisor.Snapshot, error) { return supervisor.Snapshot{}, nil }, "")
	text := scrape(t, c)
	for _, want := range []string{
		`appd_requests_total{protocol="uwsgi",status="5xx"} 0`, `appd_worker_deaths_total{reason="crashed"} 0`,
		`appd_workers{state="ready"} 0`, `appd_reloads_total{result="refused"} 0`, "appd_last_reload_success 1\n", "appd_last_reload_time_seconds 0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestMetricsWithoutAnAnswer(t *testing.T) {
	c := newCollector(func(context.Context) (supervisor.Snapshot, error) {
		return supervisor.Snapshot{}, errors.New("stuck")
	}, "")
	if text := scrape(t, c); !strings.HasSuffix(text, "appd_up 0\n") || strings.Count(text, "\n") != 3 {
		t.Errorf("got\n%s", text)
	}
}
