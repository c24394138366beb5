// The page, and the same facts as JSON.

package main

import (
	"cmp"
	"encoding/json"
	"html/template"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/appd-server/appd/protocols"
	"github.com/appd-server/appd/protocols/cgi"
	"github.com/appd-server/appd/server"
)

var pageTemplate = template.Must(template.ParseFS(assets, "assets/page.html"))

// answered counts the requests of this worker.
var answered atomic.Int64

// facts say who answers and how the request came in.
type facts struct {
	Worker     int    `json:"worker"`     // slot: 0..N-1, kept when the process is replaced
	Generation int    `json:"generation"` // which load of the code
	PID        int    `json:"pid"`
	Protocol   string `json:"protocol"`
	Answered   int64  `json:"answered"` // by this process
}

func factsOf(r *http.Request) facts {
	self := server.Self()
	f := facts{Worker: self.Slot, Generation: self.Generation, PID: os.Getpid(), Protocol: "http", Answered: answered.Add(1)}
	if head := protocols.Head(r); head != nil {
		f.Protocol = head.Protocol.String()
	}
	return f
}

func whoami(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(factsOf(r)); err != nil {
		log.Print("whoami: ", err)
	}
}

// front is one of the addresses under which the example is served.
type front struct {
	Name, Port string
	Here       bool
}

func page(w http.ResponseWriter, r *http.Request) {
	data := struct {
		facts
		Request *http.Request
		Params  cgi.Vars
		Fronts  []front
		Now     time.Time
	}{factsOf(r), r, sorted(protocols.Params(r)), fronts(r), time.Now()}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := pageTemplate.Execute(w, data); err != nil {
		log.Print("page: ", err)
	}
}

// sorted brings the params into an order for reading: request headers last.
func sorted(params cgi.Vars) cgi.Vars {
	out := slices.Clone(params)
	slices.SortStableFunc(out, func(a, b cgi.Var) int {
		return cmp.Or(cmp.Compare(header(a), header(b)), strings.Compare(a.Name, b.Name))
	})
	return out
}

func header(v cgi.Var) int {
	if strings.HasPrefix(v.Name, "HTTP_") {
		return 1
	}
	return 0
}

// fronts reads HELLO_FRONTS, "fastcgi=8081 uwsgi=8082 http=8083", which appd.hcl
// sets to what its nginx blocks listen on.
func fronts(r *http.Request) []front {
	var out []front
	for f := range strings.FieldsSeq(os.Getenv("HELLO_FRONTS")) {
		name, port, _ := strings.Cut(f, "=")
		out = append(out, front{Name: name, Port: port, Here: strings.HasSuffix(r.Host, ":"+port)})
	}
	return out
}
