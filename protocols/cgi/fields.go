// The fields of an answer: which of them may leave, and in what form.

package cgi

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// AppendFields appends the fields of h that may leave, one "Name: value" line
// each, and the Content-Length of the answer; not the empty line behind them.
//
// It drops what describes one connection (Connection, Keep-Alive,
// Proxy-Connection, TE, Trailer, Transfer-Encoding, and Upgrade except on a 101),
// a Status, which fronts take for the status line, accelerator fields that are
// not for h.Front, and any Content-Length but one. Names and values that are not
// allowed in a message (a control byte is the start of response splitting) are
// dropped too and told to h.Note.
func (h *AnswerHead) AppendFields(dst []byte) []byte {
	length := h.ContentLength >= 0 && !h.NoLength && bodyAllowed(h.Status)
	counted := length || h.Status == 204 || h.Status < 200
	for i := range h.Fields {
		f := &h.Fields[i]
		switch classify(f.Name) {
		case connectionField:
			continue
		case upgradeField:
			if h.Status != 101 {
				continue
			}
		case lengthField:
			if counted || !h.validLength(f.Value) {
				continue
			}
			counted = true
		case accelField:
			if h.Front != Nginx {
				continue
			}
		case sendfileField:
			if h.Front != Lighttpd {
				continue
			}
		}
		if !h.validField(f) {
			continue
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, strings.Trim(f.Value, " \t")...)
		dst = append(dst, "\r\n"...)
	}
	if length {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, h.ContentLength, 10)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// bodyAllowed reports whether an answer of this status may declare the length of
// a body that it carries. A 304 may name the length of what it stands for, but
// only the application knows that one.
func bodyAllowed(status int) bool { return status >= 200 && status != 204 && status != 304 }

// validField reports whether a field may stand in a message, and notes it if not.
func (h *AnswerHead) validField(f *Var) bool {
	if !httpguts.ValidHeaderFieldName(f.Name) {
		h.note("answer field %.80q dropped: not a valid name", f.Name)
		return false
	}
	if !httpguts.ValidHeaderFieldValue(f.Value) {
		h.note("answer field %.80s dropped: a control byte in its value", f.Name)
		return false
	}
	return true
}

// validLength reports whether an application's own Content-Length is a number.
func (h *AnswerHead) validLength(v string) bool {
	if n, ok := ParseLength(v); !ok || n < 0 {
		h.note("answer field %s dropped: not a length", "Content-Length")
		return false
	}
	return true
}

// What fronts take of a head in their default configuration.
const (
	nginxPage   = 4096  // of all, fastcgi_buffer_size and its like
	apacheLine  = 8190  // of a line
	haproxyHead = 15000 // of all, tune.bufsize without what HAProxy keeps free
)

// CheckSize notes a head that its front refuses: the client gets a 502 or a 500 then.
// frame is how many bytes stand in front of it.
func (h *AnswerHead) CheckSize(head []byte, frame int) {
	if len(head) <= nginxPage-frame {
		return
	}
	switch n := len(head) + frame; h.Front {
	case Nginx:
		h.note("answer head of %d bytes: nginx takes 4096 unless its buffer_size directive says more", n)
	case HAProxy:
		if n > haproxyHead {
			h.note("answer head of %d bytes: HAProxy takes about 15000 unless tune.bufsize says more", n)
		}
	case Apache:
		for line := range bytes.Lines(head) {
			if len(line) >= apacheLine {
				h.note("a line of %d bytes in the head of an answer: Apache takes less than 8190", len(line))
				return
			}
		}
	}
}

func (h *AnswerHead) note(format string, arg any) {
	if h.Note != nil {
		h.Note(fmt.Sprintf(format, arg))
	}
}

// ParseLength reads a Content-Length: decimal digits, nothing else. It is false
// for any other text and for a number beyond 63 bits.
func ParseLength(s string) (n int64, ok bool) {
	if s == "" || len(s) > 19 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + int64(d)
		if n < 0 {
			return 0, false
		}
	}
	return n, true
}

// fieldClass says why a field needs a second look.
type fieldClass uint8

const (
	plainField      fieldClass = iota
	connectionField            // about one connection, or read as the status line
	upgradeField               // the same, but a 101 needs it
	lengthField
	accelField    // for nginx
	sendfileField // for lighttpd
)

// classify is called for every field of every answer: the length of the name
// settles most of them.
func classify(name string) fieldClass {
	switch len(name) {
	case 2:
		return classIf(name, "TE", connectionField)
	case 6:
		return classIf(name, "Status", connectionField)
	case 7:
		if strings.EqualFold(name, "Upgrade") {
			return upgradeField
		}
		return classIf(name, "Trailer", connectionField)
	case 10:
		if strings.EqualFold(name, "Connection") {
			return upgradeField
		}
		if strings.EqualFold(name, "Keep-Alive") {
			return connectionField
		}
	case 14:
		return classIf(name, "Content-Length", lengthField)
	case 16:
		if strings.EqualFold(name, "Proxy-Connection") {
			return connectionField
		}
	case 17:
		if strings.EqualFold(name, "Transfer-Encoding") {
			return connectionField
		}
	}
	if len(name) > 8 && name[0]|0x20 == 'x' && name[1] == '-' {
		return classifyX(name)
	}
	return plainField
}

func classIf(name, is string, class fieldClass) fieldClass {
	if strings.EqualFold(name, is) {
		return class
	}
	return plainField
}

// classifyX tells the accelerator fields from other names that begin with "X-".
func classifyX(name string) fieldClass {
	switch {
	case hasPrefixFold(name, "X-Accel-"):
		return accelField
	case hasPrefixFold(name, "X-Sendfile"), hasPrefixFold(name, "X-LIGHTTPD-"):
		return sendfileField
	}
	return plainField
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
