// What the manuals show is what appd does.

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// blocks returns the code blocks of a manual in one language.
func blocks(t *testing.T, file, language string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		all = append(all, block+"\n")
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block of %s", file, language)
	}
	return all
}

// site is what `appd nginx` prints for a configuration.
func site(t *testing.T, hcl string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.MkdirAll(filepath.Join(dir, "cmd/shop"), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := write(t, filepath.Join(dir, "appd.hcl"), hcl)
	out, err := exec.Command(binary(t, "appd"), "nginx", "-c", conf).Output()
	if err != nil {
		t.Fatalf("appd nginx: %v\n%s\n%s", err, err.(*exec.ExitError).Stderr, hcl)
	}
	return string(out)
}

// The site in docs/nginx.md is the one that appd writes for the configuration above it.
func TestManualOfNginx(t *testing.T) {
	got := site(t, blocks(t, "docs/nginx.md", "hcl")[0])
	want := blocks(t, "docs/nginx.md", "nginx")[0]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/nginx.md shows another site (-manual +appd):\n%s", diff)
	}
}

// Every configuration in the manuals is one that appd takes.
func TestConfigurationsInManuals(t *testing.T) {
	for _, file := range []string{"README.md", "docs/go.md", "docs/nginx.md"} {
		for _, hcl := range blocks(t, file, "hcl") {
			site(t, hcl)
		}
	}
}

// The Go programs in the manuals compile.
func TestProgramsInManuals(t *testing.T) {
	for _, manual := range []string{"README.md", "docs/go.md"} {
		file := write(t, filepath.Join(t.TempDir(), "main.go"), blocks(t, manual, "go")[0])
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("the program in %s: %v\n%s", manual, err, out)
		}
	}
}
