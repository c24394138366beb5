// Addresses of listeners.

package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// maxUnixPath is the longest path of a socket: sun_path less its NUL.
const maxUnixPath = 107

// ParseAddress brings an address into one of the forms unix:/abs/path, unix:@name,
// HOST:PORT ([HOST]:PORT for IPv6) and fd://N. A relative path starts at folder.
func ParseAddress(text, folder string) (string, error) {
	switch {
	case text == "":
		return "", errors.New("the address is empty")
	case strings.HasPrefix(text, "/"):
		return "", fmt.Errorf("the path of a socket begins with unix:, as in unix:%s", text)
	case strings.HasPrefix(text, "unix:"):
		return parseUnix(strings.TrimPrefix(text, "unix:"), folder)
	case strings.HasPrefix(text, "fd://"):
		n, err := strconv.Atoi(text[len("fd://"):])
		if err != nil || n < 0 {
			return "", fmt.Errorf("%s does not name a descriptor", text)
		}
		return fmt.Sprintf("fd://%d", n), nil
	}
	return parseTCP(strings.TrimPrefix(text, "tcp://"))
}

func parseUnix(path, folder string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		path = rest
	}
	switch {
	case path == "":
		return "", errors.New("unix: has no path")
	case strings.ContainsRune(path, 0):
		return "", errors.New("the path of a socket holds a NUL byte")
	case strings.HasSuffix(path, "/"):
		return "", fmt.Errorf("%s is a folder", path)
	case path[0] != '@':
		path = absolute(path, folder)
	}
	if len(path) > maxUnixPath {
		return "", fmt.Errorf("the path of the socket has %d bytes; the kernel takes %d: %s", len(path), maxUnixPath, path)
	}
	return "unix:" + path, nil
}

func parseTCP(text string) (string, error) {
	if _, err := strconv.Atoi(text); err == nil {
		return "", fmt.Errorf("%s is only a port: write 127.0.0.1:%s, or 0.0.0.0:%s for everybody", text, text, text)
	}
	if scheme, _, ok := strings.Cut(text, "://"); ok {
		return "", fmt.Errorf("addresses have no scheme %s://; the protocol is told by its first bytes", scheme)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if bare := strings.Trim(text, "[]"); !strings.Contains(bare, ":") || net.ParseIP(bare) != nil {
			host, port, err = bare, "8000", nil // as gunicorn has it
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s is not an address", text)
	}
	if host == "unix" { // which would read as a socket's path ever after
		return "", fmt.Errorf("%s has no path: write unix:/run/app.sock", text)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q is not a port (0 to 65535)", port)
	}
	if strings.ContainsAny(host, "/ \t\"") || host != "" && net.ParseIP(host) == nil && !plausibleHost(host) {
		return "", fmt.Errorf("%q is not a host", host)
	}
	return net.JoinHostPort(host, port), nil
}

// plausibleHost tells whether name could be resolved; an address with a wrong
// number, such as 127.0.0.256, could not.
func plausibleHost(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return strings.Trim(name, "0123456789.") != ""
}

// IsUnix tells whether an address names a socket in the file system, and its path.
func IsUnix(address string) (path string, ok bool) {
	path, ok = strings.CutPrefix(address, "unix:")
	return path, ok && !strings.HasPrefix(path, "@")
}
