// How values are spelled: from text (environment, flags), the allowed range, and into
// the field. Values from HCL are in decode.go, the way back into text is in format.go.

package config

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/appd-server/appd/internal/handoff"
)

// units are the suffixes of sizes. Letters alone are binary, as in nginx and php.
var units = []struct {
	name string
	n    int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1}, {"", 1},
}

// parse reads a value from text. What it returns is one of bool, int64, Octal,
// time.Duration, string, []string, map[string]string.
func (s *Setting) parse(text string) (any, error) {
	switch s.Form {
	case Bool:
		return parseBool(text)
	case Int:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, errors.New("must be a whole number")
		}
		return n, nil
	case Size:
		return parseSize(text)
	case Duration:
		return parseDuration(text)
	case Bits:
		return parseOctal(text)
	case List:
		return splitList(text), nil
	case Words:
		return strings.Fields(text), nil
	case Map:
		name, value, ok := strings.Cut(text, "=")
		if !ok || !validEnvName(name) {
			return nil, errors.New("must look like NAME=VALUE")
		}
		return map[string]string{name: value}, nil
	}
	return text, nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off", "":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

func parseSize(text string) (int64, error) {
	bad := errors.New(`must be a number of bytes or a size such as "512MiB"`)
	t := strings.ToLower(strings.TrimSpace(text))
	digits := strings.TrimRightFunc(t, func(r rune) bool { return unicode.IsLetter(r) || r == ' ' })
	unit := strings.TrimSpace(t[len(digits):])
	for _, u := range units {
		if u.name != unit {
			continue
		}
		if strings.ContainsAny(digits, "/e") { // 1e999999999 would take a gigabyte
			return 0, bad
		}
		f, ok := new(big.Rat).SetString(digits)
		if !ok {
			return 0, bad
		}
		f.Mul(f, new(big.Rat).SetInt64(u.n))
		if !f.IsInt() || !f.Num().IsInt64() {
			return 0, bad
		}
		return f.Num().Int64(), nil
	}
	return 0, bad
}

func parseDuration(text string) (time.Duration, error) {
	t := strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(t, 64); err == nil {
		return seconds(n)
	}
	if days, ok := strings.CutSuffix(t, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil {
			return seconds(n * 24 * 3600)
		}
	}
	d, err := time.ParseDuration(t)
	if err != nil {
		return 0, errors.New(`must be a number of seconds or a duration such as "30s" or "1m30s"`)
	}
	return d, nil
}

func seconds(n float64) (time.Duration, error) {
	if n != n || n > 1e9 || n < -1e9 {
		return 0, errors.New("is out of range")
	}
	return time.Duration(n * float64(time.Second)), nil
}

func parseOctal(text string) (Octal, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 16)
	if err != nil || n > 0o777 {
		return 0, errors.New(`must be octal, such as "0660", and at most "0777"`)
	}
	return Octal(n), nil
}

// splitList cuts at commas and drops blanks: "a, b" is two.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func validEnvName(name string) bool { return name != "" && !strings.ContainsAny(name, "=\x00 \t\n") }

// check holds a parsed value against the row's range and its list of values, whose
// spelling it takes: --log-level=INFO is info.
func (s *Setting) check(v any) (any, error) {
	var n int64
	switch v := v.(type) {
	case int64:
		n = v
	case time.Duration:
		n = int64(v / time.Second)
		if v < 0 {
			return nil, errors.New("must not be negative")
		}
	case string:
		if s.OneOf != nil {
			i := slices.IndexFunc(s.OneOf, func(allowed string) bool { return strings.EqualFold(allowed, v) })
			if i < 0 {
				return nil, fmt.Errorf("must be %s, not %q", orList(s.OneOf), v)
			}
			return s.OneOf[i], nil
		}
		if strings.ContainsRune(v, 0) {
			return nil, errors.New("must not hold a NUL byte")
		}
		return v, nil
	default:
		return v, nil
	}
	switch {
	case n < s.Min && s.Min > 0:
		return nil, fmt.Errorf("must be at least %d", s.Min)
	case n < 0:
		return nil, errors.New("must not be negative")
	case s.Max > 0 && n > s.Max:
		return nil, fmt.Errorf("must be at most %d", s.Max)
	}
	return v, nil
}

// assign stores a parsed value in the field that dst points to.
func assign(dst, v any) {
	switch d := dst.(type) {
	case *bool:
		*d = v.(bool)
	case *int:
		*d = int(v.(int64))
	case *int64:
		*d = v.(int64)
	case *Octal:
		*d = v.(Octal)
	case *time.Duration:
		*d = v.(time.Duration)
	case *handoff.Duration:
		*d = handoff.Duration(v.(time.Duration))
	case *string:
		*d = v.(string)
	case *[]string:
		*d = v.([]string)
	case *map[string]string:
		m := maps.Clone(*d)
		if m == nil {
			m = map[string]string{}
		}
		maps.Copy(m, v.(map[string]string))
		*d = m
	default:
		panic(fmt.Sprintf("config: no field can be %T", dst))
	}
}
