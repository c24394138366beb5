// Files: sent by the kernel, from the page cache to the socket.

//go:build linux

package server

import (
	"io"
	"math"
	"net/http"
	"os"
)

// worthIt is the size from which sendfile is cheaper than read and write.
const worthIt = 16 << 10

// sendFile sends src if it is a regular file, or part of one. done is false, and
// nothing has happened, if it is something else.
func (w *response) sendFile(src io.Reader) (n int64, err error, done bool) {
	limit := int64(math.MaxInt64)
	limited, _ := src.(*io.LimitedReader)
	if limited != nil {
		src, limit = limited.R, limited.N
	}
	f, ok := src.(*os.File)
	if !ok || !w.server.settings.Sendfile || w.hijacked || w.ended || w.req.Method == "HEAD" {
		return 0, nil, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, nil, false
	}
	off, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, nil, false
	}
	size := min(info.Size()-off, limit)
	if size < worthIt {
		return 0, nil, false
	}
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if _, typed := w.header["Content-Type"]; w.noBody || !w.sent && !typed && len(w.gathered) == 0 {
		return 0, nil, false
	}
	var excess error
	if w.length >= 0 && w.written+size > w.length {
		size = w.length - w.written
		excess = http.ErrContentLength
	}
	if err := w.FlushError(); err != nil {
		return 0, err, true
	}
	n, err = w.sendRange(f, off, size)
	if limited != nil {
		limited.N -= n
	}
	if err == nil {
		err = excess
	}
	return n, err, true
}

// sendRange sends n bytes of f from off on and moves the file's offset behind them.
func (w *response) sendRange(f *os.File, off, n int64) (sent int64, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := raw.Control(func(fd uintptr) { sent, err = w.x.SendFile(int(fd), off, n) })
	w.written += sent
	if err == nil {
		err = cerr
	}
	if _, serr := f.Seek(off+sent, io.SeekStart); err == nil {
		err = serr
	}
	return sent, err
}
