// The list of variables of a request, and how to look into it.

package cgi

import "iter"

// Vars are CGI-style variables in the order in which they came.
type Vars []Var

// Lookup returns the value of the last variable called name, and whether there
// is one. The last counts because that is what a front's administrator means who
// includes a stock params file and then sets one of its variables again; php-fpm
// and uWSGI read it the same way. Names are compared byte by byte.
func (v Vars) Lookup(name string) (string, bool) {
	for i := len(v) - 1; i >= 0; i-- {
		if v[i].Name == name {
			return v[i].Value, true
		}
	}
	return "", false
}

// Get returns the value of the last variable called name, "" when there is none.
func (v Vars) Get(name string) string {
	s, _ := v.Lookup(name)
	return s
}

// All yields every name with its value, in order, duplicates included.
func (v Vars) All() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := range v {
			if !yield(v[i].Name, v[i].Value) {
				return
			}
		}
	}
}
