// What stands around the data of a chunked body.

package chunks

import (
	"bytes"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Reader is the place within a chunked body. The zero Reader stands at its beginning.
type Reader struct {
	at      part
	digits  uint8  // of the size so far
	ext     int    // bytes of the extension so far
	trailer int    // bytes of the trailer so far
	left    int64  // of the chunk's data
	line    []byte // of the trailer, the beginning of one
}

type part uint8

const (
	chunkSize   part = iota // hexadecimal digits
	chunkExt                // an extension, which is ignored
	chunkLF                 // behind the CR of the size's line
	chunkData               // left bytes of it
	chunkDataCR             // behind the data
	chunkDataLF
	chunkTrailer // lines up to an empty one
	chunkEnd
)

const (
	maxChunkDigits = 15  // of a size, so that it fits in 63 bits
	maxChunkExt    = 256 // bytes of an extension; nobody uses them
	maxTrailer     = 8190
)

// Left is how many bytes of data come next, 0 where something else does.
func (k *Reader) Left() int64 {
	if k.at == chunkData {
		return k.left
	}
	return 0
}

// Done says that the body has ended.
func (k *Reader) Done() bool { return k.at == chunkEnd }

// Scan reads what stands around the data, up to where data begins or the body
// ends. It returns how far it came, and what is wrong there.
func (k *Reader) Scan(p []byte) (n int, text string) {
	for n < len(p) && k.at != chunkData && k.at != chunkEnd {
		if k.at == chunkTrailer {
			m, text := k.trailerLine(p[n:])
			if n += m; text != "" {
				return n, text
			}
			continue
		}
		if text := k.byte(p[n]); text != "" {
			return n, text
		}
		n++
	}
	return n, ""
}

// Took notes that n bytes of data are done with, no more than Left said.
func (k *Reader) Took(n int) {
	if k.left -= int64(n); k.left == 0 {
		k.at = chunkDataCR
	}
}

// byte takes one byte between the data of two chunks.
func (k *Reader) byte(b byte) string {
	switch k.at {
	case chunkSize:
		return k.sizeByte(b)
	case chunkExt:
		if b == '\r' {
			k.at = chunkLF
			return ""
		}
		if k.ext++; k.ext > maxChunkExt || b < ' ' && b != '\t' || b == 0x7f {
			return "a chunk extension that is too long or holds a control byte"
		}
	case chunkLF:
		if b != '\n' {
			return "a chunk size whose line does not end with CR LF"
		}
		k.at, k.ext, k.digits = chunkData, 0, 0
		if k.left == 0 {
			k.at = chunkTrailer
		}
	case chunkDataCR:
		if b != '\r' {
			return "a chunk that is longer than its size"
		}
		k.at = chunkDataLF
	case chunkDataLF:
		if b != '\n' {
			return "a chunk that does not end with CR LF"
		}
		k.at = chunkSize
	}
	return ""
}

// sizeByte takes a byte of the size of a chunk.
func (k *Reader) sizeByte(b byte) string {
	if d, ok := hexDigit(b); ok {
		if k.digits++; k.digits > maxChunkDigits {
			return "a chunk size that is too large"
		}
		k.left = k.left<<4 | int64(d)
		return ""
	}
	switch {
	case k.digits == 0:
		return "a chunk without a size"
	case b == '\r':
		k.at = chunkLF
	case b == ';':
		k.at = chunkExt
	default: // a blank too: parsers disagree about those before an extension
		return "a chunk size that is not hexadecimal"
	}
	return ""
}

func hexDigit(b byte) (byte, bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// trailerLine reads a line behind the last chunk, or the beginning of one. Fields
// there are checked and dropped: an application has its header by then.
func (k *Reader) trailerLine(p []byte) (int, string) {
	line, n := p, len(p)
	i := bytes.IndexByte(p, '\n')
	if i >= 0 {
		line, n = p[:i+1], i+1
	}
	if k.trailer += n; k.trailer > maxTrailer {
		return n, "a trailer that is too long"
	}
	if i < 0 || len(k.line) > 0 {
		k.line = append(k.line, line...)
		line = k.line
	}
	if i < 0 {
		return n, ""
	}
	k.line = nil
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return n, "a trailer line that ends with LF alone"
	}
	if len(line) == 0 {
		k.at = chunkEnd
		return n, ""
	}
	return n, checkTrailer(line)
}

// checkTrailer checks one field of a trailer. Some names in it can only be meant
// to confuse (RFC 9110 section 6.5.1).
func checkTrailer(line []byte) string {
	name, value, ok := strings.Cut(string(line), ":")
	if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return "a malformed field in the trailer"
	}
	for _, bad := range [...]string{"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Authorization"} {
		if strings.EqualFold(name, bad) {
			return bad + " in the trailer"
		}
	}
	return ""
}
