// Values as they would be written in appd.hcl, for check --print and the manual.

package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/appd-server/appd/internal/handoff"
)

// format writes the value that ptr points to as appd.hcl would have it.
func (s *Setting) format(ptr any) string {
	switch p := ptr.(type) {
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return s.formatNumber(int64(*p))
	case *int64:
		return s.formatNumber(*p)
	case *Octal:
		if *p < 0 {
			return `""`
		}
		return fmt.Sprintf(`"%04o"`, int(*p))
	case *time.Duration:
		return strconv.Quote(formatDuration(*p))
	case *handoff.Duration:
		return strconv.Quote(formatDuration(time.Duration(*p)))
	case *string:
		return Quote(*p)
	case *[]string:
		return "[" + quoteAll(*p) + "]"
	case *map[string]string:
		return formatMap(*p)
	}
	return fmt.Sprint(ptr)
}

func (s *Setting) formatNumber(n int64) string {
	if s.Form == Size && n > 0 {
		for _, u := range []struct {
			n    int64
			name string
		}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
			if n%u.n == 0 {
				return fmt.Sprintf(`"%d%s"`, n/u.n, u.name)
			}
		}
	}
	return strconv.FormatInt(n, 10)
}

// formatDuration is 1m30s rather than 1m30.0s, and 1m rather than 1m0s.
func formatDuration(d time.Duration) string {
	t := d.String()
	if strings.HasSuffix(t, "m0s") {
		t = strings.TrimSuffix(t, "0s")
	}
	if strings.HasSuffix(t, "h0m") {
		t = strings.TrimSuffix(t, "0m")
	}
	return t
}

func formatMap(m map[string]string) string {
	if len(m) == 0 {
		return "{}"
	}
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b.WriteString(", ")
		}
		name := k
		if !hclsyntax.ValidIdentifier(k) {
			name = Quote(k)
		}
		fmt.Fprintf(&b, "%s = %s", name, Quote(m[k]))
	}
	return "{ " + b.String() + " }"
}

// Quote makes an HCL string. It has fewer escapes than Go; ${ and %{ begin templates
// there, so their sign is doubled.
func Quote(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || unicode.IsPrint(r):
			q := strconv.Quote(string(r))
			b.WriteString(q[1 : len(q)-1])
		case r > 0xffff:
			fmt.Fprintf(&b, "\\U%08x", r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	q := strings.ReplaceAll(b.String(), "${", "$${")
	return `"` + strings.ReplaceAll(q, "%{", "%%{") + `"`
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = Quote(s)
	}
	return strings.Join(quoted, ", ")
}

// orList is "a, b or c".
func orList(words []string) string {
	var shown []string
	for _, w := range words {
		if w != "" {
			shown = append(shown, w)
		}
	}
	if len(shown) < 2 {
		return strings.Join(shown, "")
	}
	return strings.Join(shown[:len(shown)-1], ", ") + " or " + shown[len(shown)-1]
}

func upper(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }
