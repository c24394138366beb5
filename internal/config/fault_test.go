package config

import (
	"testing"
)

func TestFaults(t *testing.T) {
	_, err := Load(Source{File: "testdata/bad.hcl", Environ: []string{}})
	if err == nil {
		t.Fatal("no error")
	}
	golden(t, "testdata/bad.txt", []byte(err.Error()+"\n"))
}
