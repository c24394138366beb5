// The script's way into a page: where it goes, and when it stays out.

package dev

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/appd-server/appd/protocols/cgi"
)

// maxHeld is how much of a page's beginning is kept back to find the place for
// the script. A page whose head is longer gets it there.
const maxHeld = 16 << 10

// StandIn is a field of an answer that has the script put in although its status is
// an error: of the page that stands in for an application that cannot start.
const StandIn = "X-Appd-Stand-In"

// Rewrite looks at the head of an answer. If the answer is a page for a person it
// makes room in the head and returns what the body has to go through; otherwise
// nil. Left alone are errors and redirects, compressed bodies, parts of pages that
// scripts fetch, downloads, what the front takes from elsewhere, and pages whose
// Content-Security-Policy does not let the script run or connect.
func (h *Hub) Rewrite(req *cgi.Head, a *cgi.AnswerHead) *Page {
	if !wanted(req, a) {
		return nil
	}
	nonce, ok := admitted(fields(a, "Content-Security-Policy"))
	if !ok {
		return nil
	}
	tag := fmt.Sprintf(`<script src="%s" data-version="%d"`, html.EscapeString(h.prefix(req)+scriptPath), h.version)
	if nonce != "" {
		tag += ` nonce="` + html.EscapeString(nonce) + `"`
	}
	p := &Page{tag: tag + "></script>"}
	if a.ContentLength >= 0 {
		a.ContentLength += int64(len(p.tag))
	}
	// What a cache kept of the page with another script must not come back.
	a.Fields = without(a.Fields, "Content-Length", "ETag", "Last-Modified", "Content-MD5", "Digest", StandIn)
	return p
}

// prefix is the path of the application's root as browsers see it.
func (h *Hub) prefix(req *cgi.Head) string {
	var f cgi.Facts
	req.Facts(&f)
	script, _, err := f.Path(req, h.mount)
	if err != nil {
		return ""
	}
	return (&url.URL{Path: strings.TrimSuffix(script, "/")}).EscapedPath()
}

// fragments are fields by which libraries mark a request for a part of a page.
// Browsers say it themselves, in Sec-Fetch-Dest, but only to origins that they trust.
var fragments = []string{"HX-Request", "Turbo-Frame", "X-Up-Version", "X-PJAX"}

// elsewhere are fields that have the front answer with another body.
var elsewhere = []string{"X-Accel-Redirect", "X-Sendfile", "X-Lighttpd-Send-File"}

// wanted says whether the answer is a page that a person looks at.
func wanted(req *cgi.Head, a *cgi.AnswerHead) bool {
	fine := a.Status >= 200 && a.Status <= 299 && a.Status != 206
	if a.NoBody || !fine && field(a, StandIn) == "" {
		return false
	}
	if slices.ContainsFunc(elsewhere, func(name string) bool { return field(a, name) != "" }) {
		return false
	}
	if d := field(a, "Content-Disposition"); len(d) >= 10 && strings.EqualFold(d[:10], "attachment") {
		return false
	}
	kind, _, _ := strings.Cut(field(a, "Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "text/html") {
		return false
	}
	if e := field(a, "Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return false
	}
	switch requestField(req, "Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame":
		return !strings.EqualFold(requestField(req, "X-Requested-With"), "XMLHttpRequest") &&
			!slices.ContainsFunc(fragments, func(name string) bool { return requestField(req, name) != "" })
	}
	return false
}

// field returns the first field of the answer called name.
func field(a *cgi.AnswerHead, name string) string {
	if all := fields(a, name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// fields returns all fields of the answer called name.
func fields(a *cgi.AnswerHead, name string) (values []string) {
	for _, f := range a.Fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// requestField returns a header of the request, under whichever name its
// protocol carries it.
func requestField(req *cgi.Head, name string) string {
	param := "HTTP_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
	for _, v := range req.Vars {
		if v.Name == param || strings.EqualFold(v.Name, name) {
			return v.Value
		}
	}
	return ""
}

// without returns the fields but for those named.
func without(list []cgi.Var, names ...string) []cgi.Var {
	out := make([]cgi.Var, 0, len(list))
next:
	for _, f := range list {
		for _, n := range names {
			if strings.EqualFold(f.Name, n) {
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}

// Page is a body on its way to the browser.
type Page struct {
	tag  string
	held []byte // what was not given on yet
	done bool   // the script is in
}

// Rewrite takes the next piece of the page and returns what to send of it. The
// script goes in exactly once, at the latest with the last piece.
func (p *Page) Rewrite(body []byte, last bool) []byte {
	if p.done {
		return body
	}
	p.held = append(p.held, body...)
	at, found := place(p.held)
	switch {
	case found:
	case last, len(p.held) > maxHeld:
	default:
		return nil // more of the head is to come
	}
	p.done = true
	out := make([]byte, 0, len(p.held)+len(p.tag))
	out = append(append(append(out, p.held[:at]...), p.tag...), p.held[at:]...)
	p.held = nil
	return out
}

// byteOrderMark may stand before the doctype.
var byteOrderMark = []byte("\ufeff")

// place returns where in the beginning of a page the script may stand, and
// whether more of the page could not change that: behind <head>, or before the
// first thing that belongs to the body, in any case behind the doctype.
func place(page []byte) (at int, found bool) {
	z := html.NewTokenizer(bytes.NewReader(page))
	z.SetMaxBuf(0)
	for {
		kind := z.Next()
		raw := len(z.Raw())
		cut := at+raw == len(page) // more of this token may be to come
		switch kind {
		case html.ErrorToken: // the end of what there is
			return at, false
		case html.CommentToken, html.DoctypeToken:
			if cut && !bytes.HasSuffix(z.Raw(), []byte(">")) {
				return at, false
			}
		case html.TextToken:
			if text := bytes.TrimPrefix(z.Raw(), byteOrderMark); len(bytes.TrimSpace(text)) > 0 {
				return at, !cut || !bytes.HasPrefix(byteOrderMark, text) && !bytes.Contains(text, []byte("<"))
			}
		case html.StartTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "head":
				return at + raw, true
			case "html":
			default:
				return at, true
			}
		case html.EndTagToken, html.SelfClosingTagToken:
			return at, true
		}
		at += raw
	}
}
