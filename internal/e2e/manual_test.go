// The manual says what the code does.

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/appd-server/appd/supervisor"
)

// The table of signals is the one in the code.
func TestManualOfSignals(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Signals\n")
	section, _, found := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("operations.md has no section on signals")
	}
	for _, v := range supervisor.Verbs {
		verb := ""
		if v.Name != "" {
			verb = "`appd " + v.Name + "`"
		}
		row := fmt.Sprintf("| %s | %s | %s |\n", strings.TrimPrefix(unix.SignalName(v.Signal), "SIG"), verb, v.Means)
		if !strings.Contains(section, row) {
			t.Errorf("operations.md lacks the line\n%s", row)
		}
	}
	if got, want := strings.Count(section, "\n| ")-1, len(supervisor.Verbs); got != want {
		t.Errorf("operations.md has %d signals, the code %d", got, want)
	}
}
