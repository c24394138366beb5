// Files: answers that go from a file to the socket without passing through memory.

//go:build linux

package eventloop

import (
	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/internal/handoff"
	"github.com/appd-server/appd/protocols/cgi"
)

// SendFile gives n bytes of an open regular file from offset off as the next piece
// of the body, by sendfile(2). It blocks like WaitOut and returns how many bytes
// were given. The file's own offset stays.
func (x *Exchange) SendFile(fd int, off, n int64) (sent int64, err error) {
	for n > 0 {
		if err := x.WaitOut(0); err != nil {
			return sent, err
		}
		send := x.sendPiece
		if x.rewriter != nil {
			send = x.copyPiece
		}
		k, err := send(fd, off, n)
		sent += k
		off += k
		n -= k
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// rawPiece is how much of a file goes out at once where nothing has to stand around it.
const rawPiece = 512 << 10

// sendPiece sends one piece of a file. Bytes that the socket does not take are
// kept as if they had been written, because a record must not be left half done.
func (x *Exchange) sendPiece(fd int, off, n int64) (int64, error) {
	c := x.conn
	c.mu.Lock()
	defer c.unlock()
	if x.ended || x.released || c.pending() > 0 {
		return 0, nil // WaitOut knows why
	}
	n = min(n, int64(c.codec.MaxPiece()), rawPiece)
	var room [64]byte
	prefix := c.codec.AppendPrefix(room[:0], x.id, int(n))
	framed := len(prefix) > 0
	c.write(prefix)
	var done int64
	if c.pending() == 0 && !c.gone {
		k, err := unix.Sendfile(c.fd, fd, &off, int(n))
		switch err {
		case nil:
			if k == 0 {
				return 0, c.shortFile(framed)
			}
			done = int64(k)
			c.loop.board.Add(handoff.BytesOut, k)
		case unix.EAGAIN, unix.EINTR, unix.EINVAL, unix.ENOSYS: // not every file system can
		default:
			c.lose(cgi.ErrHangup)
			return 0, err
		}
	}
	if rest := n - done; rest > 0 && !c.gone {
		if !framed {
			rest = min(rest, gather)
		}
		p := make([]byte, rest)
		if k, _ := unix.Pread(fd, p, off); k < len(p) {
			if framed || k <= 0 {
				return done, c.shortFile(framed)
			}
			p = p[:k]
		}
		done += int64(len(p))
		c.write(p)
	}
	x.sent += done
	if c.gone {
		return done, x.Err()
	}
	if framed {
		c.write(c.codec.AppendSuffix(room[:0], x.id, int(n)))
	}
	return done, nil
}

// copyPiece is sendPiece for an answer that is rewritten on its way.
func (x *Exchange) copyPiece(fd int, off, n int64) (int64, error) {
	p := make([]byte, min(n, bufferSize))
	k, err := unix.Pread(fd, p, off)
	if k <= 0 {
		if err == nil {
			err = errShortFile
		}
		return 0, err
	}
	_, err = x.Answer(nil, p[:k], false)
	return int64(k), err
}

// shortFile is called when a file has less than its size: in the middle of a
// record nothing but the end of the connection can make that good.
func (c *conn) shortFile(framed bool) error {
	if framed {
		c.lose(errShortFile)
	}
	return errShortFile
}
