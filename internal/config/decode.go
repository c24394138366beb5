// Values from HCL.

package config

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// decode reads a value from HCL; the result is as that of parse.
func (s *Setting) decode(v cty.Value) (any, error) {
	if v.IsNull() || !v.IsWhollyKnown() {
		return nil, errors.New("has no value")
	}
	t := v.Type()
	switch {
	case s.Form == Map:
		return decodeMap(v)
	case s.Form == List || s.Form == Words:
		return s.decodeList(v)
	case t == cty.Bool && s.Form == Bool:
		return v.True(), nil
	case t == cty.Number && s.Form == Text:
		return v.AsBigFloat().Text('f', -1), nil
	case t == cty.Number && s.Form == Duration:
		f, _ := v.AsBigFloat().Float64()
		return seconds(f)
	case t == cty.Number && (s.Form == Int || s.Form == Size):
		n, acc := v.AsBigFloat().Int64()
		if acc != big.Exact {
			return nil, errors.New("must be a whole number")
		}
		return n, nil
	case t == cty.Number && s.Form == Bits:
		return nil, fmt.Errorf(`must be a string: "%04s"`, v.AsBigFloat().Text('f', -1))
	case t == cty.String && s.Form != Bool:
		return s.parse(v.AsString())
	}
	return nil, fmt.Errorf("must be %s, not %s", s.Form.withArticle(), friendly(t))
}

// friendly names a type of HCL as people do.
func friendly(t cty.Type) string {
	switch {
	case t.IsTupleType():
		return "a list"
	case t.IsObjectType() || t.IsMapType():
		return "a map"
	}
	return "a " + t.FriendlyName()
}

func (s *Setting) decodeList(v cty.Value) (any, error) {
	t := v.Type()
	if t == cty.String && s.Form == List {
		return splitList(v.AsString()), nil
	}
	if t == cty.String {
		if words := strings.Fields(v.AsString()); len(words) > 1 {
			return nil, fmt.Errorf("must be a list of words: [%s]", quoteAll(words))
		}
		return []string{v.AsString()}, nil
	}
	if !t.IsTupleType() && !t.IsListType() {
		return nil, fmt.Errorf("must be a list of strings, not %s", friendly(t))
	}
	out := []string{}
	for _, e := range v.AsValueSlice() {
		if e.IsNull() || e.Type() != cty.String && e.Type() != cty.Number {
			return nil, errors.New("must hold only strings")
		}
		if e.Type() == cty.Number {
			out = append(out, e.AsBigFloat().Text('f', -1))
			continue
		}
		out = append(out, e.AsString())
	}
	return out, nil
}

func decodeMap(v cty.Value) (any, error) {
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		return nil, fmt.Errorf(`must be a map such as { NAME = "value" }, not %s`, friendly(t))
	}
	out := map[string]string{}
	for name, e := range v.AsValueMap() {
		switch {
		case !validEnvName(name):
			return nil, fmt.Errorf("has a name that no environment takes: %q", name)
		case e.IsNull():
			return nil, fmt.Errorf("has no value for %s", name)
		case e.Type() == cty.String:
			out[name] = e.AsString()
		case e.Type() == cty.Number:
			out[name] = e.AsBigFloat().Text('f', -1)
		case e.Type() == cty.Bool:
			out[name] = strconv.FormatBool(e.True())
		default:
			return nil, fmt.Errorf("must hold only strings; %s is %s", name, friendly(e.Type()))
		}
	}
	return out, nil
}
