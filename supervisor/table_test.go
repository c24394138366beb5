package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	for st := range gone {
		for _, e := range []event{evDrain, evHurry, evKill} {
			if st == draining && e == evDrain {
				continue // it already does
			}
			if next := table[st][e]; next.do == nil || next.next != draining && next.next != gone {
				t.Errorf("a %v worker ignores %v", st, e)
			}
		}
		if st != waiting { // a draining worker's slot never wants it back
			if table[st][evExit].do == nil && st != draining || table[st][evEnd].next != gone {
				t.Errorf("a %v worker does not notice its end", st)
			}
		}
		if st != draining && table[st][evTimer].do == nil {
			t.Errorf("a %v worker has no alarm", st)
		}
	}
	for e, next := range table[gone] {
		if next.do != nil {
			t.Errorf("%v wakes the dead", event(e))
		}
	}
}

// The picture in doc.go is the table.
func TestThePictureIsTheTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for st, row := range table {
		var want strings.Builder
		for e, next := range row {
			if next.do != nil && next.next != state(st) {
				want.WriteString(fmt.Sprintf(" %v>%v", event(e), next.next))
			}
		}
		_, line, ok := strings.Cut(string(doc), fmt.Sprintf("//\t%v:", state(st)))
		line, _, _ = strings.Cut(line, "\n")
		got, wanted := strings.Fields(line), strings.Fields(want.String())
		slices.Sort(got)
		slices.Sort(wanted)
		if !ok || !slices.Equal(got, wanted) {
			t.Errorf("%v: the picture has %q, the table %q", state(st), got, wanted)
		}
	}
}
