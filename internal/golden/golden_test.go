package golden

import (
	"bytes"
	"testing"
)

// Whatever the bytes are, their annotated hex reads back to them.
func TestAnnotateAndDecode(t *testing.T) {
	packets := [][]byte{
		{},
		{1},
		bytes.Repeat([]byte{0xff}, 300),
		[]byte("\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x01\x04\x00\x01\x00\x05\x03\x00\x01\x02abc\xee\xee\xee"),
		[]byte("\x01\x04\x00\x01\x00\x09\x00\x00\x09\x09cut"),
		[]byte("\x00\x0a\x00\x00\x03\x00abc\x01\x00xhello"),
		[]byte("\x00\xff\xff\x00\x03\x00abc"),
	}
	for i, want := range packets {
		for name, annotate := range map[string]func([]byte) string{"FastCGI": FastCGI, "UWSGI": UWSGI} {
			got, err := decode([]byte(annotate(want)))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, packet %d: %v\n got %x\nwant %x", name, i, err, got, want)
			}
		}
	}
}
