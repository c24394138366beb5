package dev

import (
	"strings"
	"testing"

	"github.com/appd-server/appd/protocols/cgi"
)

// mark stands for the script in expectations.
const mark = "[S]"

var pages = []struct{ page, want string }{
	{"<!doctype html><html><head><title>x</title></head><body>y", "<!doctype html><html><head>[S]<title>x</title></head><body>y"},
	{"<!DOCTYPE html>\n<html lang=en>\n<head lang=\"a>b\">\n<meta charset=utf-8>", "<!DOCTYPE html>\n<html lang=en>\n<head lang=\"a>b\">[S]\n<meta charset=utf-8>"},
	{"<!-- <head> --><html><body>", "<!-- <head> --><html>[S]<body>"},
	{"<p>Hello</p>", "[S]<p>Hello</p>"},
	{"Hello", "[S]Hello"},
	{"", "[S]"},
	{"\n  \n<!doctype html>\n<p>", "\n  \n<!doctype html>\n[S]<p>"},
	{"\ufeff<!doctype html><head><p>", "\ufeff<!doctype html><head>[S]<p>"},
	{"<header>not the head</header>", "[S]<header>not the head</header>"},
	{"<br/>x", "[S]<br/>x"},
	{"</p>x", "[S]</p>x"},
	{"1 < 2", "[S]1 < 2"},
	{"<html><", "<html>[S]<"},
	{"<!doctype html><!--" + strings.Repeat("x", maxHeld+10), "<!doctype html>[S]<!--" + strings.Repeat("x", maxHeld+10)},
}

func TestPlace(t *testing.T) {
	for _, tt := range pages {
		p := Page{tag: mark}
		if got := string(p.Rewrite([]byte(tt.page), true)); got != tt.want {
			t.Errorf("page %.60q:\n got %.90q\nwant %.90q", tt.page, got, tt.want)
		}
	}
}

// TestPlaceInPieces cuts each page at every byte: where the script stands must
// not depend on how the page arrives.
func TestPlaceInPieces(t *testing.T) {
	for _, tt := range pages {
		if len(tt.page) > 500 {
			continue
		}
		for cut := range len(tt.page) + 1 {
			p := Page{tag: mark}
			got := string(p.Rewrite([]byte(tt.page[:cut]), false))
			got += string(p.Rewrite([]byte(tt.page[cut:]), true))
			if got != tt.want {
				t.Errorf("page %q cut at %d: got %q, want %q", tt.page, cut, got, tt.want)
			}
		}
	}
}

// TestStreamIsNotHeldBack: once the script is in, every piece goes through at once.
func TestStreamIsNotHeldBack(t *testing.T) {
	p := Page{tag: mark}
	if got := string(p.Rewrite([]byte("<html><head>"), false)); got != "<html><head>[S]" {
		t.Errorf("first piece = %q", got)
	}
	if got := string(p.Rewrite([]byte("<p>1"), false)); got != "<p>1" {
		t.Errorf("second piece = %q", got)
	}
}

func page(status int, fields ...string) *cgi.AnswerHead {
	a := &cgi.AnswerHead{Status: status, ContentLength: 100}
	for i := 0; i < len(fields); i += 2 {
		a.Fields = append(a.Fields, cgi.Var{Name: fields[i], Value: fields[i+1]})
	}
	return a
}

func TestWhichAnswersAreRewritten(t *testing.T) {
	const html = "text/html; charset=utf-8"
	const csp = "Content-Security-Policy"
	tests := []struct {
		name    string
		answer  *cgi.AnswerHead
		request []cgi.Var
		want    string // the tag's attributes behind src, or "no"
	}{
		{"page", page(200, "Content-Type", html), nil, ""},
		{"created", page(201, "content-type", "TEXT/HTML"), nil, ""},
		{"json", page(200, "Content-Type", "application/json"), nil, "no"},
		{"no type", page(200), nil, "no"},
		{"not found", page(404, "Content-Type", html), nil, "no"},
		{"part", page(206, "Content-Type", html), nil, "no"},
		{"compressed", page(200, "Content-Type", html, "Content-Encoding", "gzip"), nil, "no"},
		{"identity", page(200, "Content-Type", html, "Content-Encoding", "identity"), nil, ""},
		{"document", page(200, "Content-Type", html), []cgi.Var{{Name: "HTTP_SEC_FETCH_DEST", Value: "document"}}, ""},
		{"fetched", page(200, "Content-Type", html), []cgi.Var{{Name: "Sec-Fetch-Dest", Value: "empty"}}, "no"},
		{"htmx", page(200, "Content-Type", html), []cgi.Var{{Name: "HTTP_HX_REQUEST", Value: "true"}}, "no"},
		{"turbo frame", page(200, "Content-Type", html), []cgi.Var{{Name: "HTTP_TURBO_FRAME", Value: "cart"}}, "no"},
		{"stand-in", page(500, "Content-Type", html, StandIn, "yes"), nil, ""},
		{"download", page(200, "Content-Type", html, "Content-Disposition", "Attachment; filename=x.html"), nil, "no"},
		{"shown inline", page(200, "Content-Type", html, "Content-Disposition", "inline"), nil, ""},
		{"a file that nginx sends", page(200, "Content-Type", html, "X-Accel-Redirect", "/x"), nil, "no"},
		{"jquery", page(200, "Content-Type", html), []cgi.Var{{Name: "HTTP_X_REQUESTED_WITH", Value: "XMLHttpRequest"}}, "no"},
		{"policy self", page(200, "Content-Type", html, csp, "default-src 'self'"), nil, ""},
		{"policy none", page(200, "Content-Type", html, csp, "default-src 'none'"), nil, "no"},
		{"policy nonce", page(200, "Content-Type", html, csp, "script-src 'nonce-a\"b=' 'strict-dynamic'; connect-src 'self'"), nil, ` nonce="a&#34;b="`},
		{"policy strict", page(200, "Content-Type", html, csp, "script-src 'strict-dynamic' 'sha256-x' 'self'"), nil, "no"},
		{"policy no connection", page(200, "Content-Type", html, csp, "script-src 'self'; connect-src https://api.example"), nil, "no"},
		{"policy of images", page(200, "Content-Type", html, csp, "img-src 'none'"), nil, ""},
		{"two policies", page(200, "Content-Type", html, csp, "script-src 'self'", csp, "script-src https://cdn.example"), nil, "no"},
		{"two policies in one", page(200, "Content-Type", html, csp, "script-src 'self', default-src 'none'"), nil, "no"},
	}
	h := NewHub(12, "/shop")
	defer h.Close()
	for _, tt := range tests {
		p := h.Rewrite(&cgi.Head{Vars: tt.request}, tt.answer)
		switch {
		case tt.want == "no" && p != nil:
			t.Errorf("%s: rewritten", tt.name)
		case tt.want == "no":
			if tt.answer.ContentLength != 100 {
				t.Errorf("%s: left alone, but Content-Length is %d", tt.name, tt.answer.ContentLength)
			}
		case p == nil:
			t.Errorf("%s: left alone", tt.name)
		default:
			if want := `<script src="/shop/__appd/reload.js" data-version="12"` + tt.want + `></script>`; p.tag != want {
				t.Errorf("%s: tag %s, want %s", tt.name, p.tag, want)
			}
			if got := tt.answer.ContentLength; got != 100+int64(len(p.tag)) {
				t.Errorf("%s: Content-Length %d", tt.name, got)
			}
		}
	}
	head := page(200, "Content-Type", html)
	head.NoBody = true
	if h.Rewrite(&cgi.Head{}, head) != nil {
		t.Error("HEAD: rewritten")
	}
}

// TestPrefix: the script is sought where browsers see the application, whoever said
// where that is.
func TestPrefix(t *testing.T) {
	for _, tt := range []struct {
		name, mount string
		head        cgi.Head
		want        string
	}{
		{"at the root", "", cgi.Head{Protocol: cgi.HTTP, Target: "/a/b"}, "/__appd/"},
		{"mounted, over HTTP", "/shop", cgi.Head{Protocol: cgi.HTTP, Target: "/shop/a"}, "/shop/__appd/"},
		{"mounted, stock fastcgi_params", "/shop", cgi.Head{Protocol: cgi.FastCGI, Vars: cgi.Vars{{Name: "SCRIPT_NAME", Value: "/shop/a"}}}, "/shop/__appd/"},
		{"stock fastcgi_params", "", cgi.Head{Protocol: cgi.FastCGI, Vars: cgi.Vars{{Name: "SCRIPT_NAME", Value: "/shop/a"}}}, "/__appd/"},
		{"split by the front", "", cgi.Head{Protocol: cgi.UWSGI, Vars: cgi.Vars{{Name: "SCRIPT_NAME", Value: "/my shop"}, {Name: "PATH_INFO", Value: "/a"}}}, "/my%20shop/__appd/"},
		{"split by the front, but said to be at the root", "/", cgi.Head{Protocol: cgi.FastCGI, Vars: cgi.Vars{{Name: "SCRIPT_NAME", Value: "/f"}, {Name: "PATH_INFO", Value: "/a"}}}, "/__appd/"},
	} {
		h := NewHub(1, tt.mount)
		p := h.Rewrite(&tt.head, page(200, "Content-Type", "text/html"))
		if want := `<script src="` + tt.want + `reload.js"`; p == nil || !strings.HasPrefix(p.tag, want) {
			t.Errorf("%s: %+v, want %s", tt.name, p, want)
		}
		h.Close()
	}
}

func TestCachedPagesDoNotComeBack(t *testing.T) {
	h := NewHub(1, "")
	defer h.Close()
	a := page(200, "Content-Type", "text/html", "ETag", `"x"`, "last-modified", "then", "Content-Length", "100", "Set-Cookie", "a=1")
	if h.Rewrite(&cgi.Head{}, a) == nil {
		t.Fatal("left alone")
	}
	if len(a.Fields) != 2 || a.Fields[1].Name != "Set-Cookie" {
		t.Errorf("fields = %v", a.Fields)
	}
}

func FuzzPlace(f *testing.F) {
	for _, tt := range pages {
		f.Add(tt.page, 3)
	}
	f.Fuzz(func(t *testing.T, page string, cut int) {
		whole := Page{tag: mark}
		want := string(whole.Rewrite([]byte(page), true))
		if strings.Replace(want, mark, "", 1) != page && !strings.Contains(page, mark) {
			t.Fatalf("page %q became %q", page, want)
		}
		if cut < 0 || cut > len(page) {
			return
		}
		p := Page{tag: mark}
		got := string(p.Rewrite([]byte(page[:cut]), false)) + string(p.Rewrite([]byte(page[cut:]), true))
		if len(got) != len(want) {
			t.Fatalf("page %q cut at %d: %q, whole %q", page, cut, got, want)
		}
	})
}
