// The body of a request: how it arrives, how it is read.

//go:build linux

package eventloop

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/appd-server/appd/protocols/cgi"
)

// ErrTooLarge is what Read returns of a body larger than limit_request_body.
var ErrTooLarge = errors.New("the body of the request is too large")

// take takes bytes of the body that arrived and returns how many. What nobody is
// reading is kept up to a bound and then left to the kernel, unless that would
// stop others: the output, which the front may take only after all was sent, or
// requests on the same connection, also those that are still to come.
func (x *Exchange) take(p []byte) int {
	c, config := x.conn, &x.conn.loop.config
	if limit := config.Settings.LimitBody; limit > 0 && x.arrived+int64(len(p)) > limit {
		x.fail(ErrTooLarge)
		return len(p)
	}
	n := copy(x.dst, p)
	x.dst = x.dst[n:]
	x.got += n
	if n > 0 {
		x.wakeReader()
	}
	if rest := p[n:]; len(rest) > 0 {
		limit := window
		switch {
		case config.WholeBody:
			limit = wholeBody
		case c.pending() == 0 && c.active <= 1 && !c.shared:
			if room := max(window-int(x.body.size()), 0); len(rest) > room {
				rest = rest[:room]
				c.full = true
			}
		}
		if err := x.body.keep(rest, limit, config.Settings.TmpDir); err != nil {
			c.note("body: " + err.Error())
			x.fail(err)
		}
		n += len(rest)
	}
	x.arrived += int64(n)
	return n
}

// fail ends the body with an error.
func (x *Exchange) fail(err error) {
	x.bodyErr = err
	x.wakeReader()
	if !x.handed {
		x.conn.whole = append(x.conn.whole, x)
	}
}

// cutInput says that no more of the body will come.
func (x *Exchange) cutInput() {
	if !x.inDone && x.bodyErr == nil {
		x.fail(io.ErrUnexpectedEOF)
	}
}

// Body is the whole body of an exchange under Config.WholeBody: in memory, valid
// until the end of the exchange, or the caller's to free if it is Config.Memory's;
// or else in a file, from its start, that the loop closes. size is its length
// either way. It is called once.
func (x *Exchange) Body() (mem []byte, file *os.File, size int64) {
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	if x.body.file != nil {
		return nil, x.body.file, x.body.w
	}
	size = x.body.size()
	return x.body.give(), nil, size
}

// Read reads the body. It returns io.EOF at its end, io.ErrUnexpectedEOF if it was
// cut short, ErrTooLarge, the cause if the request was given up, and
// os.ErrDeadlineExceeded after a deadline or a silence longer than read_timeout.
// It parks the goroutine, or blocks the foreign thread; with WholeBody it does neither.
func (x *Exchange) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	for {
		if n, err, done := x.readNow(p); done {
			return n, err
		}
		x.sendContinue()
		x.dst, x.got = p, 0
		c.full = false
		c.pull()
		for x.got == 0 && x.mayCome() {
			if !x.park(&x.reader, x.readWait()) {
				x.dst = nil
				return 0, os.ErrDeadlineExceeded
			}
		}
		x.dst = nil
		if x.got > 0 {
			return x.got, nil
		}
	}
}

// readNow reads what is there, and done says that nothing has to be waited for.
func (x *Exchange) readNow(p []byte) (n int, err error, done bool) {
	if x.ended {
		return 0, ErrClosed, true
	}
	if n, err := x.body.read(p); n > 0 || err != nil {
		return n, err, true
	}
	switch cause := x.Err(); {
	case x.bodyErr != nil:
		return 0, x.bodyErr, true
	case x.inDone:
		return 0, io.EOF, true
	case cause != nil:
		return 0, cause, true
	case !x.readDeadline.IsZero() && !time.Now().Before(x.readDeadline):
		return 0, os.ErrDeadlineExceeded, true
	}
	return 0, nil, false
}

// mayCome says that more of the body is to be waited for.
func (x *Exchange) mayCome() bool {
	return !x.ended && !x.inDone && x.bodyErr == nil && x.cause.Load() == nil && x.body.size() == 0
}

// sendContinue tells a client that waits for it to send its body.
func (x *Exchange) sendContinue() {
	if x.asked {
		return
	}
	x.asked = true
	if c := x.conn; x.Head.Expect && x.answer == nil && x.arrived == 0 && !x.released {
		var room [64]byte
		c.write(c.codec.AppendContinue(room[:0], x.id))
	}
}

// SetReadDeadline bounds Read beside read_timeout. The zero time is no bound.
func (x *Exchange) SetReadDeadline(t time.Time) error {
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	if x.ended {
		return ErrClosed
	}
	x.readDeadline = t
	x.wakeReader()
	return nil
}

// errNoHijack is what Hijack returns where a connection cannot be taken away.
var errNoHijack = errors.New("eventloop: this connection cannot become a tunnel: " + cgi.FastCGI.String() + ", or shared by requests")
