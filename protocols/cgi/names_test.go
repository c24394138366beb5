package cgi

import (
	"net/textproto"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, c := range append(commonNames[:], "X-Something", "A", "X-1-2", "Sec-Ch-Ua-Form-Factors", "X--Y") {
		if got := textproto.CanonicalMIMEHeaderKey(c); got != c {
			t.Errorf("%s is not canonical: %s", c, got)
		}
		variable := "HTTP_" + strings.ToUpper(strings.ReplaceAll(c, "-", "_"))
		if got, ok := FieldName(variable); got != c || !ok {
			t.Errorf("FieldName(%q) = %q, %v; want %q", variable, got, ok, c)
		}
		for _, s := range []string{c, strings.ToLower(c), strings.ToUpper(c)} {
			if got := CanonicalName(s); got != c {
				t.Errorf("CanonicalName(%q) = %q, want %q", s, got, c)
			}
			if got, ok := VariableName(s); got != variable || !ok {
				t.Errorf("VariableName(%q) = %q, %v; want %q", s, got, ok, variable)
			}
		}
	}
	for _, v := range []string{"HTTP_", "HTTP_x", "HTTP_X-Y", "HTTP_ACCEPt", "HTTP_X Y", "HTTP_É"} {
		if got, ok := FieldName(v); ok {
			t.Errorf("FieldName(%q) = %q, want none", v, got)
		}
	}
	for _, s := range []string{"", "X_Y", "X.Y", "X!", "É"} {
		if got, ok := VariableName(s); ok {
			t.Errorf("VariableName(%q) = %q, want none", s, got)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("accept-encoding")
	f.Add("X_Y")
	f.Add("HTTP_ACCEPT")
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []byte(s) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
				return // no token; no codec lets it through
			}
		}
		if got, want := CanonicalName(s), textproto.CanonicalMIMEHeaderKey(s); got != want {
			t.Errorf("CanonicalName(%q) = %q, net/textproto %q", s, got, want)
		}
		if v, ok := VariableName(s); ok {
			back, ok := FieldName(v)
			if !ok || !strings.EqualFold(back, s) {
				t.Errorf("%q becomes %q becomes %q", s, v, back)
			}
		}
	})
}
