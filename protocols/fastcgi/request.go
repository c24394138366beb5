// What the codec itself needs to know of a request.

package fastcgi

import "github.com/appd-server/appd/protocols/cgi"

// setLength reads CONTENT_LENGTH. Absent, empty and -1 (Caddy for a chunked
// upload) leave it to STDIN. Of several the last counts, as in php-fpm: it is how
// a location overrides what an included file set.
func setLength(h *cgi.Head) bool {
	text := ""
	for i := range h.Vars {
		if v := &h.Vars[i]; len(v.Name) == len("CONTENT_LENGTH") && v.Name == "CONTENT_LENGTH" {
			text = v.Value
		}
	}
	if text == "" || text == "-1" {
		h.ContentLength = cgi.UnknownLength
		return true
	}
	var ok bool
	h.ContentLength, ok = cgi.ParseLength(text)
	return ok
}
