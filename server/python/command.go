// The command line of a worker, and the engine that it loads.

package python

import (
	"bytes"
	"compress/zlib"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

//go:embed worker/*.py
var sources embed.FS

// EngineName is the file name of the engine.
const EngineName = "appd_engine.abi3.so"

var errNoEngine = errors.New("python: " + EngineName + " was not found: it is built beside appd by `make build` when a C compiler is there (Debian: apt-get install gcc libc6-dev); APPD_ENGINE names another place")

// FindEngine returns the path of the engine: what APPD_ENGINE says, else the file
// beside the running program, else the one in ../lib/appd.
func FindEngine() (string, error) {
	if path := os.Getenv("APPD_ENGINE"); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("python: APPD_ENGINE: %w", err)
		}
		return filepath.Abs(path)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	dir := filepath.Dir(self)
	for _, path := range []string{filepath.Join(dir, EngineName), filepath.Join(dir, "..", "lib", "appd", EngineName)} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", errNoEngine
}

// Command returns the command line that runs a worker, or a preload process, in
// the given interpreter, which is looked up in PATH. What it loads comes with the
// hand-over; the environment needs PYTHONUNBUFFERED=1 for the application's
// children only, the worker itself is started unbuffered.
func Command(interpreter string) ([]string, error) {
	path, err := exec.LookPath(interpreter)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, fmt.Errorf("python: %w", err)
	}
	return []string{path, "-u", "-c", program()}, nil
}

// program is the worker's Python source as one argument: compressed, because
// people look at it in ps until the worker has named itself.
var program = sync.OnceValue(func() string {
	modules := make(map[string]string)
	entries, err := fs.ReadDir(sources, "worker")
	if err != nil {
		panic(err) // embedded
	}
	for _, e := range entries {
		text, err := fs.ReadFile(sources, "worker/"+e.Name())
		if err != nil {
			panic(err)
		}
		modules[strings.TrimSuffix(e.Name(), ".py")] = string(text)
	}
	packed, err := json.Marshal(modules)
	if err != nil {
		panic(err)
	}
	var b bytes.Buffer
	z, _ := zlib.NewWriterLevel(&b, zlib.BestCompression)
	z.Write(packed)
	z.Close()
	return fmt.Sprintf("import base64,json,zlib;s=json.loads(zlib.decompress(base64.b64decode('%s')));exec(s['package'],{'sources':s})",
		base64.StdEncoding.EncodeToString(b.Bytes()))
})
