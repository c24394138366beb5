// The trees that are developed: a Go module and a Flask application.

//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// write saves a file of a tree.
func write(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
}

// goTree is a module whose program uses package server, which serves plain HTTP
// by itself when another tool starts it.
func goTree(dir, version string) error {
	program := fmt.Sprintf(`package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/appd-server/appd/server"
)

func main() {
	err := server.Run(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, %q) }))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
`, version)
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return write(dir, "main.go", program)
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	mod := "module shop\n\ngo 1.26\n\nrequire github.com/appd-server/appd v0.0.0\n\nreplace github.com/appd-server/appd => " + root + "\n"
	return errors.Join(write(dir, "go.mod", mod), write(dir, "go.sum", string(sum)), write(dir, "main.go", program))
}

// airCommand runs air with its own defaults but for the program's address.
func airCommand(dir, addr string) []string {
	path, err := exec.LookPath("air")
	if err != nil {
		home, _ := os.UserHomeDir()
		path = filepath.Join(home, "go", "bin", "air")
	}
	return []string{"env", "APPD_LISTEN=" + addr, path}
}

// flaskTree is an application of one module.
func flaskTree(dir, version string) error {
	return write(dir, "shop.py", fmt.Sprintf(`import flask

app = flask.Flask(__name__)


@app.route("/")
def index():
    return %q
`, version))
}

// port is the port of an address.
func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
