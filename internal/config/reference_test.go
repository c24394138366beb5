package config

import (
	"bytes"
	"os"
	"testing"
)

// TestReference holds docs/config.md against the table; APPD_UPDATE=1 rewrites it.
func TestReference(t *testing.T) {
	var want bytes.Buffer
	if err := WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/config.md", want.Bytes())
}

// golden compares got with a file, and rewrites it when APPD_UPDATE is set.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("APPD_UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; APPD_UPDATE=1 rewrites it. Got:\n%s", path, got)
	}
}
