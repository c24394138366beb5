package handoff

import "testing"

func FuzzParse(f *testing.F) {
	f.Add(`{"version":1,"name":"shop","control":3,"listeners":[{"fd":4,"address":"unix:x","protocol":"auto"}]}`)
	f.Add(`{"version":1,"settings":{"timeout":"30s"},"python":{"app":"a:b"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if (h == nil) == (err == nil) {
			t.Fatalf("Parse(%q) = %v, %v", text, h, err)
		}
		if err != nil {
			return
		}
		for _, fd := range h.FDs() {
			if fd < 0 {
				t.Errorf("Parse(%q) lets descriptor %d through", text, fd)
			}
		}
	})
}

// Whatever stands in a row, its texts come from the row and are no longer than it.
func FuzzRow(f *testing.F) {
	f.Add(uint64(1)<<48|3<<40|2<<32|1<<24|5, []byte("GETid1/path"))
	f.Add(^uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, meta uint64, text []byte) {
		q := parseRow(meta, text)
		if int(q.Protocol) >= len(Protocols) || q.Method+q.ID+q.Remote+q.Target != string(text[:len(q.Method)+len(q.ID)+len(q.Remote)+len(q.Target)]) {
			t.Errorf("parseRow(%#x, %q) = %+v", meta, text, q)
		}
	})
}
