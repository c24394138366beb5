// Answers as a client reads them.

package cgi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Answer is a whole answer, as the client sides of the protocols collect it.
type Answer struct {
	// Head is what was declared. ContentLength is UnknownLength where nothing was;
	// Fields keep the order of the wire, Status and Content-Length among them.
	Head AnswerHead
	Body []byte
}

// ParseAnswer reads an answer whose end was seen: an HTTP status line or a Status
// field, fields, an empty line, the body. Lines end in LF or CRLF, as every front
// takes them. A body shorter or longer than its Content-Length is an error, with
// the answer given all the same. No body is not an error: it may be a HEAD.
func ParseAnswer(p []byte) (*Answer, error) {
	a := &Answer{Head: AnswerHead{ContentLength: UnknownLength}}
	for first := true; ; first = false {
		line, rest, ok := bytes.Cut(p, []byte("\n"))
		if !ok {
			return nil, errors.New("the answer ends within its head")
		}
		p = rest
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" {
			break
		}
		if err := a.Head.parseLine(text, first); err != nil {
			return nil, err
		}
	}
	a.Body = p
	if a.Head.Status == 0 {
		return a, errors.New("the answer has no status")
	}
	if n := a.Head.ContentLength; n >= 0 && n != int64(len(p)) && len(p) > 0 {
		return a, fmt.Errorf("the body has %d bytes, Content-Length says %d", len(p), n)
	}
	return a, nil
}

// parseLine reads one line of a head.
func (h *AnswerHead) parseLine(line string, first bool) error {
	if first && strings.HasPrefix(line, "HTTP/") {
		_, status, _ := strings.Cut(line, " ")
		return h.parseStatus(status)
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("the line %.80q in the head has no colon", line)
	}
	value = strings.Trim(value, " \t")
	h.Fields = append(h.Fields, Var{Name: name, Value: value})
	switch {
	case strings.EqualFold(name, "Status") && h.Status == 0:
		return h.parseStatus(value)
	case strings.EqualFold(name, "Content-Length"):
		n, ok := ParseLength(value)
		if !ok || h.ContentLength >= 0 {
			return fmt.Errorf("Content-Length %.80q is doubled or not a number", value)
		}
		h.ContentLength = n
	}
	return nil
}

func (h *AnswerHead) parseStatus(text string) error {
	digits, reason, _ := strings.Cut(text, " ")
	status, err := strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || status < 100 {
		return fmt.Errorf("the status %.80q is not a number of three digits", text)
	}
	h.Status, h.Reason = status, reason
	return nil
}
