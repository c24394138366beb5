// Testing a configuration with the nginx that is installed.

package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// TestError is what nginx found wrong.
type TestError struct {
	Output string // nginx's own lines
}

// Error implements error with all that nginx said.
func (e *TestError) Error() string {
	return "nginx: the configuration does not pass nginx -t:\n" + strings.TrimSpace(e.Output)
}

// Find returns the path of nginx: program when it is not empty, else nginx from
// PATH or from the folders where distributions put it. The error wraps
// [ErrNotFound].
func Find(program string) (string, error) {
	if program == "" {
		program = "nginx"
	}
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/nginx/sbin", "/opt/nginx/sbin"} {
		if err == nil || strings.ContainsRune(program, '/') {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, program))
	}
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	return path, nil
}

// Test renders the sites into a temporary folder and runs nginx -t on them.
// program may be empty. A *TestError holds what nginx said.
//
// An address that cannot be bound right now (in use, or for root only) is no
// fault of the configuration.
func Test(ctx context.Context, program string, sites ...Site) error {
	program, err := Find(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "appd-nginx-")
	if err != nil {
		return fmt.Errorf("nginx: %w", err)
	}
	defer os.RemoveAll(dir)
	file, err := write(whole{Dir: dir, Processes: "1", Grace: seconds(grace)}, "nginx.conf", sites)
	if err != nil {
		return err
	}
	return check(ctx, program, file)
}

// write renders the whole configuration into file, atomically.
func write(w whole, name string, sites []Site) (file string, err error) {
	text, err := w.render(sites)
	if err != nil {
		return "", err
	}
	if err := prepare(w.Dir); err != nil {
		return "", err
	}
	file = filepath.Join(w.Dir, name)
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return "", fmt.Errorf("nginx: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return "", fmt.Errorf("nginx: %w", err)
	}
	return file, nil
}

// unbound matches the one complaint that comes after the whole file was read.
var unbound = regexp.MustCompile(`(?m)^nginx: \[emerg\] bind\(\) to .* failed`)

// check runs nginx -t on a file.
func check(ctx context.Context, program, file string) error {
	cmd := exec.CommandContext(ctx, program, "-t", "-q", "-c", file, "-e", "stderr", "-p", filepath.Dir(file))
	out, err := cmd.CombinedOutput()
	if err == nil || unbound.Match(out) {
		return nil
	}
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return &TestError{Output: string(out)}
	}
	return fmt.Errorf("nginx: %s -t: %w", program, err)
}
