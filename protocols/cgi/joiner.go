// Joining what came several times.

package cgi

import "strings"

// joiner collects variables by name, into a list that its caller holds (so that
// the list may lie on the caller's stack). Few are searched one by one, and joined as
// they come; a front that sends hundreds, or the same one hundreds of times, gets a
// map, so that the work stays in proportion to what was sent.
type joiner struct {
	start  int // what stands before belongs to somebody else
	joined int // values that were joined to others

	// byName and parts are made beyond manyVars of either.
	byName map[string]int
	parts  map[int]*strings.Builder // values that grow
}

const manyVars = 64

// add joins value to what name has already.
func (j *joiner) add(dst []Var, name, value string) []Var {
	i := j.find(dst, name)
	if i < 0 {
		return j.put(dst, name, value)
	}
	sep := ", "
	if name == "Cookie" || name == "HTTP_COOKIE" {
		sep = "; "
	}
	if j.joined++; j.byName == nil && j.joined <= manyVars {
		dst[i].Value += sep + value
		return dst
	}
	if j.byName == nil {
		j.index(dst)
	}
	p := j.parts[i]
	if p == nil {
		p = new(strings.Builder)
		p.WriteString(dst[i].Value)
		j.parts[i] = p
	}
	p.WriteString(sep)
	p.WriteString(value)
	return dst
}

// set replaces what name has.
func (j *joiner) set(dst []Var, name, value string) []Var {
	if i := j.find(dst, name); i >= 0 {
		dst[i].Value = value
		return dst
	}
	return j.put(dst, name, value)
}

func (j *joiner) put(dst []Var, name, value string) []Var {
	if j.byName != nil {
		j.byName[name] = len(dst)
	}
	return append(dst, Var{name, value})
}

// find returns the place of name, -1 if it is new.
func (j *joiner) find(dst []Var, name string) int {
	if j.byName == nil && len(dst)-j.start >= manyVars {
		j.index(dst)
	}
	if j.byName != nil {
		if i, ok := j.byName[name]; ok {
			return i
		}
		return -1
	}
	for i := j.start; i < len(dst); i++ {
		if dst[i].Name == name {
			return i
		}
	}
	return -1
}

func (j *joiner) index(dst []Var) {
	j.byName = make(map[string]int, 4*manyVars)
	j.parts = make(map[int]*strings.Builder)
	for i := j.start; i < len(dst); i++ {
		j.byName[dst[i].Name] = i
	}
}

// done puts the values that grew into the list.
func (j *joiner) done(dst []Var) []Var {
	for i, p := range j.parts {
		dst[i].Value = p.String()
	}
	return dst
}
