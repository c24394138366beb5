// Golden packets as files.

package golden

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// A Packet is one golden packet.
type Packet struct {
	Name    string // of the file, without .txtar
	Wire    []byte
	Request string // what the codec must make of it, as [Recorder.String] has it
}

// The sections of a file.
const (
	wireSection    = "wire.hex"
	requestSection = "request"
)

// Load reads the golden packets that match pattern. None is a failure: a test
// that loops over nothing proves nothing.
func Load(t testing.TB, pattern string) []Packet {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden packets match %s (%v)", pattern, err)
	}
	var list []Packet
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := Packet{Name: strings.TrimSuffix(filepath.Base(file), ".txtar")}
		for _, section := range txtar.Parse(data).Files {
			switch section.Name {
			case wireSection:
				if p.Wire, err = decode(section.Data); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
			case requestSection:
				p.Request = string(section.Data)
			default:
				t.Fatalf("%s: section %q", file, section.Name)
			}
		}
		if len(p.Wire) == 0 || p.Request == "" {
			t.Fatalf("%s: wire.hex or request is empty", file)
		}
		list = append(list, p)
	}
	return list
}

// decode reads hex with blanks, and comments from # to the end of the line.
func decode(text []byte) ([]byte, error) {
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		for f := range strings.FieldsSeq(line) {
			digits.WriteString(f)
		}
	}
	return hex.DecodeString(digits.String())
}

// Format is the file of a packet. wire is what [FastCGI] or [UWSGI] made of the
// bytes.
func Format(comment, wire, request string) []byte {
	return txtar.Format(&txtar.Archive{
		Comment: []byte(comment + "\n\n"),
		Files: []txtar.File{
			{Name: wireSection, Data: []byte(wire)},
			{Name: requestSection, Data: []byte(request)},
		},
	})
}
