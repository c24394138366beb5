// The engine asks of an interpreter only what every CPython since 3.9 has.

package python_test

import (
	"debug/elf"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestStableABI(t *testing.T) {
	path, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/stable_abi_3.9.txt")
	if err != nil {
		t.Fatal(err)
	}
	stable := strings.Fields(string(text))
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF || !strings.HasPrefix(strings.TrimPrefix(s.Name, "_"), "Py") {
			continue
		}
		asked++
		if !slices.Contains(stable, s.Name) {
			t.Errorf("%s is not in the stable ABI of CPython 3.9", s.Name)
		}
	}
	if asked < 20 {
		t.Errorf("only %d symbols of Python's are undefined: this test looks at the wrong thing", asked)
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range libraries {
		if strings.Contains(l, "python") {
			t.Errorf("the engine is linked against %s", l)
		}
	}
}
