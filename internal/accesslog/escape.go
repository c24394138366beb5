// What keeps a client from forging a line or a column.

package accesslog

import "unicode/utf8"

const hex = "0123456789ABCDEF"

// plain marks the bytes that need no escape between quotes.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendValue appends a value, escaped, or a dash if there is none. Without quotes
// around it an empty value needs the dash as well, or the columns would shift.
func appendValue(dst []byte, s string, given, quoted bool) []byte {
	if !given || s == "" && !quoted {
		return append(dst, '-')
	}
	return escape(dst, s, quoted)
}

// escape appends s with \" and \\ for those two, \xHH for what is not printable
// ASCII, and \x20 for a blank outside of quotes.
func escape[T string | []byte](dst []byte, s T, quoted bool) []byte {
	from := 0
	for i := range len(s) {
		c := s[i]
		if plain[c] && (quoted || c != ' ') {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, s[from:]...)
}

// quote appends s as a JSON string. Control characters, those above 0x7e too, and
// the two line ends of Unicode are escaped; what is not UTF-8 becomes U+FFFD.
func quote[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			i++
			continue
		}
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			var next [utf8.UTFMax]byte
			r, size = utf8.DecodeRune(next[:copy(next[:], s[i:])])
			if size > 1 && r > 0x9f && r != 0x2028 && r != 0x2029 {
				i += size
				continue
			}
		}
		dst = appendEscape(append(dst, s[from:i]...), r)
		i += size
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, r rune) []byte {
	switch {
	case r == '"' || r == '\\':
		return append(dst, '\\', byte(r))
	case r == utf8.RuneError:
		return utf8.AppendRune(dst, r)
	}
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
