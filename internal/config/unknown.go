// What is said about names in appd.hcl that are no settings, and blocks that stand in
// the wrong place.

package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// unknown says what an attribute that is no setting was probably meant to be.
func (f *file) unknown(a *hclsyntax.Attribute, in Block) {
	r := a.NameRange
	f.standsFor(a.Name, f.origin(r))
	for _, b := range []Block{InApp, InNginx, InHook, InAdmin, InListen} {
		if Block(a.Name) == b && in == Top && (b != InListen || isBlockLike(a)) {
			f.wrong(r, a.Name+" is a block", fmt.Sprintf("Write %s without the equals sign.", a.Name))
			return
		}
	}
	if why, way, ok := Foreign(a.Name); ok {
		f.wrong(r, fmt.Sprintf("%s is not a setting: %s", a.Name, why), way)
		return
	}
	if b, ok := elsewhere(a.Name, in); ok {
		f.wrong(r, a.Name+" belongs "+b.where(), b.example(a.Name))
		return
	}
	f.wrong(r, fmt.Sprintf("%s is not a setting%s", a.Name, in.suffix()),
		cmp.Or(didYouMean(a.Name, names(in)), "The manual lists all settings: docs/config.md."))
}

// standsFor remembers that a wrong name was meant to give the address or the
// application, so that nobody is told that it is missing.
func (f *file) standsFor(name string, at Origin) {
	switch name {
	case "listen", "bind", "socket", "http", "http_socket", "uwsgi_socket", "fastcgi_socket":
		f.tried["listen"] = at
	case "app", "asgi", "module", "wsgi_app", "wsgi_file":
		f.tried["app"] = at
	}
}

func isBlockLike(a *hclsyntax.Attribute) bool {
	_, ok := a.Expr.(*hclsyntax.ObjectConsExpr)
	return ok
}

func (f *file) unknownBlock(b *hclsyntax.Block, in Block) {
	if lookup(in, b.Type) != nil {
		f.wrong(b.TypeRange, b.Type+" is a setting, not a block", "Write "+b.Type+" = ...")
		return
	}
	blocks := []string{"app", "listen", "hook", "admin", "nginx"}
	if in == InNginx {
		blocks = []string{"static"}
	}
	if in == Top && b.Type == string(InStatic) {
		f.wrong(b.TypeRange, "static belongs into the nginx block", "Write nginx { static ... }.")
		return
	}
	if why, way, ok := Foreign(b.Type); ok {
		f.wrong(b.TypeRange, fmt.Sprintf("%s is not a block: %s", b.Type, why), way)
		return
	}
	f.wrong(b.TypeRange, fmt.Sprintf("%s is not a block%s", b.Type, in.suffix()),
		cmp.Or(didYouMean(b.Type, blocks), "The blocks are "+orList(blocks)+"."))
}

// noBlocks complains about every block inside a block that holds none.
func (f *file) noBlocks(body *hclsyntax.Body, in Block) {
	for _, b := range body.Blocks {
		if slices.Contains([]Block{InApp, InListen, InHook, InAdmin, InNginx}, Block(b.Type)) {
			f.wrong(b.TypeRange, fmt.Sprintf("%s does not stand inside %s", b.Type, in), "Move it out of the braces.")
			continue
		}
		if lookup(in, b.Type) != nil {
			f.wrong(b.TypeRange, b.Type+" is a setting, not a block", "Write "+b.Type+" = ...")
			continue
		}
		f.wrong(b.TypeRange, fmt.Sprintf("%s takes no blocks", in), "")
	}
}
