// The status of an answer, and the answers that a codec gives by itself.

package cgi

import (
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// AppendStatus appends "200 OK": three digits and a reason that is never empty,
// because nginx and HAProxy pass an empty one on to the client. A reason that may
// not stand in a message is replaced by the standard phrase; a status that cannot
// be written (below 200 but for 101, above 999) becomes 500.
func (h *AnswerHead) AppendStatus(dst []byte) []byte {
	status, reason := h.Status, h.Reason
	if status > 999 || status < 200 && status != 101 {
		h.note("answer status %d replaced by 500", status)
		status, reason = 500, ""
	}
	if reason == "" || !httpguts.ValidHeaderFieldValue(reason) {
		reason = Reason(status)
	}
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	return append(dst, reason...)
}

// Refusal is the answer that a codec gives to a request which it does not hand
// out: a short text, so that whoever debugs through the front sees something.
// noBody is for a request that was a HEAD.
func Refusal(status int, noBody bool) (*AnswerHead, []byte) {
	body := strconv.AppendInt(nil, int64(status), 10)
	body = append(body, ' ')
	body = append(body, Reason(status)...)
	body = append(body, '\n')
	h := &AnswerHead{
		Status:        status,
		Fields:        []Var{{"Content-Type", "text/plain; charset=utf-8"}},
		ContentLength: int64(len(body)),
		NoBody:        noBody,
	}
	if noBody {
		body = nil
	}
	return h, body
}

// Reason is the standard phrase of a status, "Status" for one that has none.
func Reason(status int) string {
	if status >= 100 && status-100 < len(reasons) {
		if r := reasons[status-100]; r != "" {
			return r
		}
	}
	return "Status"
}

// The phrases of the IANA registry of HTTP status codes, by status - 100.
var reasons = [...]string{
	0: "Continue", 1: "Switching Protocols", 2: "Processing", 3: "Early Hints",

	100: "OK", 101: "Created", 102: "Accepted", 103: "Non-Authoritative Information",
	104: "No Content", 105: "Reset Content", 106: "Partial Content", 107: "Multi-Status",
	108: "Already Reported", 126: "IM Used",

	200: "Multiple Choices", 201: "Moved Permanently", 202: "Found", 203: "See Other",
	204: "Not Modified", 205: "Use Proxy", 207: "Temporary Redirect", 208: "Permanent Redirect",

	300: "Bad Request", 301: "Unauthorized", 302: "Payment Required", 303: "Forbidden",
	304: "Not Found", 305: "Method Not Allowed", 306: "Not Acceptable",
	307: "Proxy Authentication Required", 308: "Request Timeout", 309: "Conflict", 310: "Gone",
	311: "Length Required", 312: "Precondition Failed", 313: "Content Too Large",
	314: "URI Too Long", 315: "Unsupported Media Type", 316: "Range Not Satisfiable",
	317: "Expectation Failed", 318: "I'm a teapot", 321: "Misdirected Request",
	322: "Unprocessable Content", 323: "Locked", 324: "Failed Dependency", 325: "Too Early",
	326: "Upgrade Required", 328: "Precondition Required", 329: "Too Many Requests",
	331: "Request Header Fields Too Large", 351: "Unavailable For Legal Reasons",

	400: "Internal Server Error", 401: "Not Implemented", 402: "Bad Gateway",
	403: "Service Unavailable", 404: "Gateway Timeout", 405: "HTTP Version Not Supported",
	406: "Variant Also Negotiates", 407: "Insufficient Storage", 408: "Loop Detected",
	411: "Network Authentication Required",
}
