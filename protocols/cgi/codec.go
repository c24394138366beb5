// The codec: one connection's state machine, server side.

package cgi

import "errors"

// A Codec decodes what a front sends on one connection and encodes what it gets.
// Its methods are never called at the same time.
type Codec interface {
	// Feed decodes the bytes that arrived and reports what they mean to sink. It
	// returns how many of them it has taken; the caller gives the others again,
	// with more behind them. It takes fewer than all when a field is incomplete,
	// when the sink did not take a whole piece of body, and at the end of a
	// request that must be answered before the next one may start.
	//
	// No more than 16 bytes are ever left for being incomplete, so that any buffer
	// will do: what has to be kept longer, the codec copies.
	//
	// An error ends the connection; *Error says what was answered and what to log.
	// io.EOF says that the connection is done and nothing was wrong with it (a
	// uwsgi ping). Bytes that the codec itself wants sent have been given to
	// Sink.Reply before.
	Feed(p []byte, sink Sink) (n int, err error)

	// EOF says that the peer sends no more. A request whose body is incomplete
	// gets Sink.Abort with io.ErrUnexpectedEOF.
	EOF(sink Sink) error

	// Idle says that no byte of an unfinished request was taken and no answer is
	// due: the connection may be closed, or handed to another worker, unnoticed.
	Idle() bool

	// AppendAnswer appends the next part of the answer to request id: the head
	// (nil once it was given), a piece of the body, and, if last, the end. The
	// head says what the body may be; the codec trusts the caller to keep to it.
	// After last the id is free and Feed goes on with the next request.
	AppendAnswer(dst []byte, id uint16, h *AnswerHead, body []byte, last bool) []byte

	// AppendPrefix and AppendSuffix append what stands on the wire before and
	// behind n bytes of body (1 to MaxPiece) that the caller writes by itself, by
	// writev or sendfile.
	AppendPrefix(dst []byte, id uint16, n int) []byte
	AppendSuffix(dst []byte, id uint16, n int) []byte
	MaxPiece() int

	// AppendContinue appends "100 Continue" where the protocol has it.
	AppendContinue(dst []byte, id uint16) []byte

	// AppendAbort appends what tells the peer that the answer to id ends here,
	// unfinished, and frees the id. closing says that the connection has to be
	// closed for it, as soon as what was appended is sent. After Sink.Abort with
	// ErrAborted it may be called at once, whatever was sent of the answer.
	AppendAbort(dst []byte, id uint16) (out []byte, closing bool)

	// Drain says that the connection should end: the next answer asks the front
	// to close (HTTP), or is the last (FastCGI).
	Drain()

	// KeepAlive says that the connection stays open after the last answer given.
	KeepAlive() bool
}

// A Sink takes what a codec found. Its methods must not call the codec, except
// that Head may be answered later.
type Sink interface {
	// Head is called once a request, as soon as its head is complete. From then on
	// id is active until its answer ended.
	Head(id uint16, h *Head)

	// Body offers the next bytes of the body and returns how many were taken. The
	// bytes are only valid during the call.
	Body(id uint16, p []byte) int

	// End says that the body is complete.
	End(id uint16)

	// Abort says that the peer gave this request up, or can no longer complete it.
	Abort(id uint16, cause error)

	// Reply gives bytes of the codec's own that have to be sent: the answer to a
	// management record, a refusal. Only valid during the call.
	Reply(p []byte)

	// Note reports something worth a line in the log that changes nothing else.
	Note(text string)
}

// Limits bound what a peer can make a codec keep. A zero field means its default;
// a negative one of the three for HTTP means no limit but 1 MiB for a whole head.
type Limits struct {
	Params    int // bytes of params or vars of one request, default 1 MiB (a uwsgi packet never reaches it)
	Streams   int // requests at a time on one FastCGI connection that a front is told, default 100; 1 turns multiplexing off
	Conns     int // connections told to a FastCGI front that asks, default 1000
	Line      int // bytes of an HTTP request line, default 4094
	Fields    int // HTTP header fields, default 100
	FieldSize int // bytes of one HTTP header field, default 8190
}

// Error is a fault of the peer that ends the connection.
type Error struct {
	Protocol Protocol
	Status   int    // what was answered, 0 for nothing
	Text     string // what was wrong, for the log: lower case, names the field
}

// Error implements error.
func (e *Error) Error() string { return e.Protocol.String() + ": " + e.Text }

// Causes of an aborted request, seen through context.Cause.
var (
	// ErrAborted: the front sent ABORT_REQUEST.
	ErrAborted = errors.New("the front aborted the request")
	// ErrHangup: the front closed the connection.
	ErrHangup = errors.New("the front closed the connection")
	// ErrTimeout: the request took longer than its timeout.
	ErrTimeout = errors.New("the request timed out")
	// ErrDraining: the worker had to leave before the request was finished.
	ErrDraining = errors.New("the worker is leaving")
)
