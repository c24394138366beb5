// appd.hcl: blocks and attributes.

package config

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// file decodes one appd.hcl into a Config and collects what is wrong with it.
type file struct {
	*loader
	lines [][]byte
	ctx   *hcl.EvalContext
	first map[string]hcl.Range // where each address, hook ... was first written
}

// readFile decodes the file at c.File.
func (l *loader) readFile() {
	src, err := os.ReadFile(l.c.File)
	if err != nil {
		l.broken = true
		l.fault(Origin{}, reason(err, l.c.File), "Name another file with -c, or let `appd init` write one.")
		return
	}
	f := &file{loader: l, lines: bytes.Split(src, []byte("\n")), ctx: evalContext(l.getenv), first: map[string]hcl.Range{}}
	parsed, diags := hclsyntax.ParseConfig(src, l.c.File, hcl.InitialPos)
	f.diagnose(diags)
	if diags.HasErrors() {
		f.broken = true
		return // what stands behind a broken line is guesswork
	}
	f.top(parsed.Body.(*hclsyntax.Body))
}

func reason(err error, path string) string {
	if pe, ok := err.(*os.PathError); ok {
		return fmt.Sprintf("%s: %v", path, pe.Err)
	}
	return err.Error()
}

// origin is the place of r, with its line.
func (f *file) origin(r hcl.Range) Origin {
	o := Origin{Layer: FromFile, Range: r}
	if n := r.Start.Line; n >= 1 && n <= len(f.lines) {
		o.Line = strings.TrimRight(string(f.lines[n-1]), "\r")
	}
	return o
}

func (f *file) wrong(r hcl.Range, text, way string) { f.fault(f.origin(r), text, way) }

// diagnose turns what the parser found into faults.
func (f *file) diagnose(diags hcl.Diagnostics) {
	for _, d := range diags {
		r := hcl.Range{Filename: f.c.File, Start: hcl.InitialPos}
		if d.Subject != nil {
			r = *d.Subject
		}
		f.wrong(r, strings.ToLower(d.Summary[:1])+d.Summary[1:], d.Detail)
	}
}

// top decodes the file outside any block, then the blocks.
func (f *file) top(body *hclsyntax.Body) {
	f.attributes(body, place{Top, f.c, ""})
	var apps []*hclsyntax.Block
	for _, b := range body.Blocks {
		switch Block(b.Type) {
		case InApp:
			if apps = append(apps, b); len(apps) == 1 {
				f.app(b)
			} else {
				f.wrong(b.TypeRange, fmt.Sprintf("there is one app block already, in line %d", apps[0].TypeRange.Start.Line),
					"One appd runs one application. Write a file for each.")
			}
		case InListen:
			f.listen(b)
		case InHook:
			f.hook(b)
		case InAdmin:
			f.admin(b)
		case InNginx:
			f.nginx(b)
		default:
			f.unknownBlock(b, Top)
		}
	}
	if len(apps) == 0 && f.source.App == nil && !f.wrote("app") {
		f.wrong(hcl.Range{Filename: f.c.File, Start: hcl.InitialPos}, "there is no app block",
			"Write app { go = \"./cmd/shop\" }, or command, wsgi, fastcgi or exec instead of go.")
	}
}

func (f *file) app(b *hclsyntax.Block) {
	if len(b.Labels) > 0 {
		f.wrong(b.LabelRanges[0], "app takes no label", fmt.Sprintf("Write app { name = %s }.", Quote(b.Labels[0])))
	}
	f.appBlock = f.origin(b.TypeRange)
	f.attributes(b.Body, place{InApp, f.c, ""})
	f.noBlocks(b.Body, InApp)
}

func (f *file) listen(b *hclsyntax.Block) {
	f.tried["listen"] = f.origin(b.TypeRange)
	label, ok := f.label(b, `listen "unix:/run/app.sock" {}`)
	if !ok {
		return
	}
	address, err := ParseAddress(label, f.folder())
	if err != nil {
		f.wrong(b.LabelRanges[0], err.Error(), "Write unix:PATH, HOST:PORT or fd://N.")
		return
	}
	f.once("listen", address, b.LabelRanges[0])
	l := f.c.addListener(address, f.origin(b.LabelRanges[0]))
	f.attributes(b.Body, place{InListen, l, address})
	f.noBlocks(b.Body, InListen)
}

func (f *file) hook(b *hclsyntax.Block) {
	label, ok := f.label(b, `hook "when_ready" { command = ["..."] }`)
	if !ok {
		return
	}
	if !slices.Contains(HookNames(), label) {
		f.wrong(b.LabelRanges[0], fmt.Sprintf("there is no hook %q", label), cmp.Or(didYouMean(label, HookNames()), "The hooks are "+orList(HookNames())+"."))
		return
	}
	f.once("hook", label, b.LabelRanges[0])
	h := &Hook{Name: label}
	f.c.Hooks = append(f.c.Hooks, h)
	f.c.origins[h] = f.origin(b.LabelRanges[0])
	f.leaf(b, place{InHook, h, label})
}

func (f *file) admin(b *hclsyntax.Block) {
	label, ok := f.label(b, `admin "127.0.0.1:9090" {}`)
	if !ok {
		return
	}
	address, err := ParseAddress(label, f.folder())
	if err != nil {
		f.wrong(b.LabelRanges[0], err.Error(), "Write HOST:PORT or unix:PATH.")
		return
	}
	f.once("listen", address, b.LabelRanges[0])
	a := &Admin{Address: address}
	f.c.Admin = append(f.c.Admin, a)
	f.c.origins[a] = f.origin(b.LabelRanges[0])
	f.leaf(b, place{InAdmin, a, address})
}

func (f *file) nginx(b *hclsyntax.Block) {
	n := newNginx()
	f.c.Nginx = append(f.c.Nginx, n)
	f.c.origins[n] = f.origin(b.TypeRange)
	f.c.fill(place{InNginx, n, ""})
	f.attributes(b.Body, place{InNginx, n, ""})
	for _, inner := range b.Body.Blocks {
		if Block(inner.Type) != InStatic {
			f.unknownBlock(inner, InNginx)
			continue
		}
		prefix, ok := f.label(inner, `static "/static/" { root = "/srv/shop/public" }`)
		if !ok {
			continue
		}
		if !strings.HasPrefix(prefix, "/") {
			f.wrong(inner.LabelRanges[0], "a static prefix begins with a slash", "Write static \"/"+prefix+"\".")
		}
		s := &Static{Prefix: prefix}
		n.Static = append(n.Static, s)
		f.c.origins[s] = f.origin(inner.LabelRanges[0])
		f.leaf(inner, place{InStatic, s, prefix})
	}
}

// leaf reads a block of settings that has no blocks in it.
func (f *file) leaf(b *hclsyntax.Block, at place) {
	f.c.fill(at)
	f.attributes(b.Body, at)
	f.noBlocks(b.Body, at.block)
}

// label is the one label that a block must have.
func (f *file) label(b *hclsyntax.Block, example string) (string, bool) {
	switch len(b.Labels) {
	case 1:
		return b.Labels[0], true
	case 0:
		f.wrong(b.TypeRange, b.Type+" needs a label", "Write "+example+".")
	default:
		f.wrong(b.LabelRanges[1], b.Type+" takes one label", "Write a block for each.")
	}
	return "", false
}

// once complains about the second block of the same name.
func (f *file) once(kind, label string, r hcl.Range) {
	key := kind + " " + label
	if first, ok := f.first[key]; ok {
		f.wrong(r, fmt.Sprintf("%s was written already, in line %d", label, first.Start.Line), "Remove one of the two.")
		return
	}
	f.first[key] = r
}

// attributes decodes every attribute of a body into the place.
func (f *file) attributes(body *hclsyntax.Body, p place) {
	for _, a := range body.Attributes {
		s := lookup(p.block, a.Name)
		if s == nil {
			f.unknown(a, p.block)
			continue
		}
		f.tried[s.field(p.at)] = f.origin(a.Expr.Range())
		v, diags := a.Expr.Value(f.ctx)
		if diags.HasErrors() {
			f.badExpression(s, a, diags)
			continue
		}
		value, err := s.decode(v)
		if err == nil {
			value, err = s.check(value)
		}
		if err != nil {
			f.wrong(a.Expr.Range(), s.Name+" "+err.Error(), f.wayOut(s))
			continue
		}
		delete(f.tried, s.field(p.at))
		f.c.set(s.field(p.at), f.relative(s, value, f.folder()), f.origin(a.Expr.Range()))
	}
}

// folder is where relative paths in the file start.
func (f *file) folder() string { return filepath.Dir(absolute(f.c.File, f.source.Dir)) }

// wayOut is what to do about a wrong value: leave the default, where there is one.
func (f *file) wayOut(s *Setting) string {
	switch {
	case s.Name == "workers":
		return "Remove the line to get one worker per CPU."
	case s.OneOf != nil || s.Form == Words || s.Form == Map:
		return ""
	}
	if d := s.defaultText(); d != "" {
		return "Remove the line to get the default, " + d + "."
	}
	return ""
}

// badExpression explains an expression that has no value. A name without quotes
// is the usual reason.
func (f *file) badExpression(s *Setting, a *hclsyntax.Attribute, diags hcl.Diagnostics) {
	r := a.Expr.Range()
	text := string(r.SliceBytes(bytes.Join(f.lines, []byte("\n"))))
	switch {
	case len(a.Expr.Variables()) == 0 || strings.ContainsAny(text, "\"(${["):
		f.diagnose(diags)
	case s.Form == Int || s.Form == Bool:
		f.wrong(r, fmt.Sprintf("%s must be %s, not %s", s.Name, s.Form.withArticle(), text), f.wayOut(s))
	default:
		f.wrong(r, text+" is not quoted", fmt.Sprintf("Write %s = %q.", a.Name, text))
	}
}
