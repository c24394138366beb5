package handoff

import (
	"encoding/json"
	"reflect"
	"testing"
)

// same writes v down, reads that as another T, and wants the same text again.
func same[T any](t *testing.T, v *T) {
	t.Helper()
	first, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again := new(T)
	if err := json.Unmarshal(first, again); err != nil {
		t.Fatalf("%s is not read: %v", first, err)
	}
	second, err := json.Marshal(again)
	if err != nil || string(second) != string(first) {
		t.Fatalf("written %s\nagain   %s, %v", first, second, err)
	}
}

// What is read of the variable is written so that the same is read of it.
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
		same(t, h)
		again, err := h.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if h2, err := Parse(again); err != nil || !reflect.DeepEqual(h.FDs(), h2.FDs()) {
			t.Errorf("Parse(%q) = %v, %v", again, h2, err)
		}
	})
}

// What is read of a packet is sent so that the same arrives.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"kind":"ready","version":1,"settings":{"timeout":"30s"},"files":["a"]}`))
	f.Add([]byte(`{"kind":"fork","handoff":{"version":1},"env":["A=b"],"grace":"1.5s","queue":true}`))
	f.Fuzz(func(t *testing.T, p []byte) {
		if m, err := decode(p); err == nil {
			same(t, &m)
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
		cut := func(s string, most int) string { return s[:min(len(s), most)] }
		want := Request{Protocol: q.Protocol, Method: cut(q.Method, maxMethod), ID: cut(q.ID, maxID), Remote: cut(q.Remote, maxRemote)}
		want.Target = cut(q.Target, textSize-len(want.Method)-len(want.ID)-len(want.Remote))
		var room [textSize]byte
		if got := parseRow(q.layOut(&room), room[:]); got != want {
			t.Errorf("written and read again: %+v, want %+v", got, want)
		}
	})
}
