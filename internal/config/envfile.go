// Files of NAME=VALUE lines (env_file).

package config

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// readEnvFiles puts the variables of env_file under those of env.
func (l *loader) readEnvFiles() {
	a := &l.c.App
	if len(a.EnvFile) == 0 {
		return
	}
	all := map[string]string{}
	for _, path := range a.EnvFile {
		src, err := os.ReadFile(path)
		if err != nil {
			l.fault(l.c.Where(&a.EnvFile), "env_file: "+reason(err, path), "")
			continue
		}
		l.parseEnvFile(path, src, all)
	}
	maps.Copy(all, a.Env)
	a.Env = all
}

// parseEnvFile reads lines NAME=VALUE, with or without `export`; blank lines and
// lines that begin with # are skipped. A value may be quoted: '...' is taken as it
// is, "..." knows backslashes. Nothing is expanded.
func (l *loader) parseEnvFile(path string, src []byte, into map[string]string) {
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		value, good := unquote(strings.TrimSpace(value))
		if ok && good && validEnvName(name) {
			into[name] = value
			continue
		}
		at := Origin{Layer: FromFile, Line: lines.Text(), Range: hcl.Range{Filename: path, Start: hcl.Pos{Line: n, Column: 1}}}
		l.fault(at, "is not NAME=VALUE", `Write NAME=value, NAME='value' or NAME="value".`)
	}
	if err := lines.Err(); err != nil {
		l.fault(l.c.Where(&l.c.App.EnvFile), fmt.Sprintf("env_file: %s: %v", path, err), "")
	}
}

func unquote(v string) (string, bool) {
	switch {
	case len(v) >= 2 && v[0] == '\'' && v[len(v)-1] == '\'':
		return v[1 : len(v)-1], true
	case len(v) > 0 && v[0] == '"':
		s, err := strconv.Unquote(v)
		return s, err == nil
	}
	return v, len(v) == 0 || v[0] != '\''
}
