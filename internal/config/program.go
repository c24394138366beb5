// The application as it is named on the command line.

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Program is an application named on the command line.
type Program struct {
	Word  string   // as it was typed
	Kind  Kind     // Go, Command or WSGI
	Words []string // the package, the module, or the program and its arguments
}

// wsgiApp is module[:callable], where the callable may have arguments.
var wsgiApp = regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*(:[\pL_][\pL\pN_.]*(\(.*\))?)?$`)

// ParseProgram tells what word names: with a slash or a dot in front a Go package
// or an executable, else module[:callable]. The error says what to write instead.
func ParseProgram(word string, args []string, dir string) (*Program, error) {
	if strings.HasSuffix(word, ".hcl") {
		return nil, fmt.Errorf("%s is a configuration file: write -c %s", word, word)
	}
	if word != "" && (word[0] == '/' || word[0] == '.') {
		return parsePath(word, args, dir)
	}
	if len(args) > 0 {
		return nil, fmt.Errorf("%s is one application too many, after %s", args[0], word)
	}
	switch path := absolute(word, dir); {
	case isFile(word):
		return nil, notAModule(word)
	case strings.Contains(word, "/"):
		return nil, fmt.Errorf("%s looks like a path: write ./%s for a Go package or a program", word, word)
	case !wsgiApp.MatchString(word):
		return nil, fmt.Errorf("%q names no application: write module:callable, or ./path for a Go package or a program", word)
	case !strings.Contains(word, ":") && isGoPackage(path):
		return nil, fmt.Errorf("%s is a Go package: write ./%s", word, word)
	}
	return &Program{word, WSGI, []string{word}}, nil
}

func parsePath(word string, args []string, dir string) (*Program, error) {
	if isFile(word) {
		return nil, notAModule(word)
	}
	path := absolute(word, dir)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: there is no such file or folder", word)
	}
	switch {
	case strings.HasSuffix(word, ".php"):
		return nil, fmt.Errorf("%s: PHP is run by php-cgi: write app { fastcgi = [\"php-cgi\"] } into appd.hcl; nginx names the script", word)
	case info.IsDir() && isGoPackage(path):
		return &Program{word, Go, append([]string{word}, args...)}, nil
	case info.IsDir():
		return nil, fmt.Errorf("%s holds no Go files, so it is not a package", word)
	case strings.HasSuffix(word, ".go"):
		return nil, fmt.Errorf("%s is one file: write %s for its package", word, filepath.Dir(word)+string(filepath.Separator))
	case info.Mode()&0o111 == 0:
		return nil, fmt.Errorf("%s is not executable", word)
	}
	return &Program{word, Command, append([]string{path}, args...)}, nil
}

func isGoPackage(path string) bool {
	files, _ := filepath.Glob(filepath.Join(path, "*.go"))
	return len(files) > 0
}

// isFile says whether word names a Python file, perhaps with a callable in it.
func isFile(word string) bool {
	file, _, _ := strings.Cut(word, ":")
	return strings.HasSuffix(file, ".py")
}

// notAModule turns a path into the module that Python would import, and for a file
// elsewhere the folder to import it from.
func notAModule(word string) error {
	file, name, named := strings.Cut(word, ":")
	file = filepath.Clean(file)
	module, elsewhere := strings.TrimSuffix(file, ".py"), ""
	if filepath.IsAbs(file) || strings.HasPrefix(file, "..") {
		elsewhere, module = " --chdir "+filepath.Dir(file), filepath.Base(module)
	}
	module = strings.ReplaceAll(module, "/", ".")
	if !named {
		name, elsewhere = "app", elsewhere+" (or the name that the file gives the application)"
	}
	return fmt.Errorf("%s is a file; applications are named as modules: write %s:%s%s", word, module, name, elsewhere)
}
