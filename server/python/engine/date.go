// The Date field of HTTP answers.

//go:build cgo

package main

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// date is the text of one second.
type date struct {
	second int64
	text   string
}

var today atomic.Pointer[date]

// now is the time as HTTP writes it, made once a second.
func now() string {
	t := time.Now()
	if d := today.Load(); d != nil && d.second == t.Unix() {
		return d.text
	}
	d := &date{t.Unix(), t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}
	today.Store(d)
	return d.text
}

// dated adds a Date to the fields of an HTTP answer that has none. The other
// protocols leave it to the front.
func dated(fields []cgi.Var) []cgi.Var {
	for i := range fields {
		if len(fields[i].Name) == 4 && strings.EqualFold(fields[i].Name, "Date") {
			return fields
		}
	}
	return append(fields, cgi.Var{Name: "Date", Value: now()})
}
