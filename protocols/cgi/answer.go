// The head of an answer, as an application gives it.

package cgi

// AnswerHead is the head of one answer. The codec checks and writes it: it drops
// what may not stand in its protocol (hop-by-hop fields, a second Content-Length),
// and gives the status a reason.
type AnswerHead struct {
	Status int    // 200..599, or 101 after which the connection is a tunnel
	Reason string // empty: the standard phrase

	// Fields are written in order. Content-Length and Date stand here too when
	// the application set them.
	Fields []Var

	// ContentLength is the length of the body that follows, or UnknownLength.
	// When it is known the codec writes the field, unless NoLength is set.
	ContentLength int64

	// NoLength keeps the codec from writing Content-Length itself (a 204, a 304,
	// a HEAD whose length nobody knows).
	NoLength bool

	// NoBody says that no byte of a body may follow the head: HEAD, 204, 304.
	NoBody bool

	// Close asks for the end of the connection after this answer.
	Close bool

	// Front decides which accelerator fields (X-Accel-*, X-Sendfile) pass.
	Front Front

	// Note, when not nil, is told what the codec had to drop from the head, and
	// why: a line for the log. It never repeats a value.
	Note func(text string)
}

// Front is the web server that a listener stands behind. Fields by which an
// application steers it reach only a front that obeys them: any other would pass them
// on to the client.
type Front uint8

// The fronts that are tested.
const (
	Nginx    Front = iota // obeys X-Accel-*
	Apache                // no such field
	Lighttpd              // obeys X-Sendfile and X-LIGHTTPD-*
	HAProxy               // no such field
	Caddy                 // no such field
)
