package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The modules of a workspace are all watched, whatever their folders are called.
func TestTreesOfAWorkspace(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(root, "my shop"), filepath.Join(root, "shared")}
	for i, dir := range want {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		module := fmt.Sprintf("module example.org/m%d\n\ngo 1.26\n", i)
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	work := "go 1.26\n\nuse \"./my shop\"\nuse ./shared\n"
	if err := os.WriteFile(filepath.Join(root, "go.work"), []byte(work), 0o644); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tree := range goTrees(want[0]) {
		got = append(got, tree.Dir)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("watches %q, want %q", got, want)
	}
}
