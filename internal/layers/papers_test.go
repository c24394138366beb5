// The papers of the repository: their links lead somewhere, and the map is complete.

package layers

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var link = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)

func TestLinks(t *testing.T) {
	const repo = "../.."
	var papers []string
	for _, glob := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(repo, glob))
		if err != nil {
			t.Fatal(err)
		}
		papers = append(papers, found...)
	}
	links := 0
	for _, paper := range papers {
		text, err := os.ReadFile(paper)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := paper
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(paper), m[1])
			}
			if strings.Contains(m[1], "://") || m[1] != "" && !strings.Contains(m[1], ".") {
				continue
			}
			links++
			if !leads(to, m[2]) {
				t.Errorf("%s links to %s, which is not there", paper, m[1]+m[2])
			}
		}
	}
	if links < 10 {
		t.Errorf("only %d links found", links)
	}
}

// leads says whether there is such a file or folder, with such a heading.
func leads(file, anchor string) bool {
	if anchor == "" {
		_, err := os.Stat(file)
		return err == nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if heading := strings.TrimLeft(line, "#"); heading != line && "#"+slug(heading) == anchor {
			return true
		}
	}
	return false
}

// slug is what GitHub calls a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// Each package has its place in the table of ARCHITECTURE.md; tools and examples need none.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		rel, _ := ours(p.ImportPath)
		if p.Name == "main" && !strings.HasPrefix(rel, "cmd/") {
			continue
		}
		if !strings.Contains(string(text), "`"+rel+"`") && !strings.Contains(string(text), "`"+path.Base(rel)+"`") {
			t.Errorf("ARCHITECTURE.md does not name %s", rel)
		}
	}
}
