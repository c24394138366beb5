// Programs in other languages, which accept by themselves: PHP, a C program on
// libfcgi, CGI scripts, gunicorn, Node.

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// libfcgiSource is the least that a FastCGI program in C is.
const libfcgiSource = `#include <fcgi_stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(void) {
	while (FCGI_Accept() >= 0) {
		char body[100];
		int n = fread(body, 1, sizeof body - 1, stdin);
		body[n < 0 ? 0 : n] = 0;
		printf("Content-Type: text/plain\r\n\r\npid=%d method=%s info=%s body=%s", getpid(), getenv("REQUEST_METHOD"), getenv("PATH_INFO"), body);
	}
	return 0;
}
`

const phpSource = `<?php header('Content-Type: text/plain');
echo "pid=" . getmypid() . " method={$_SERVER['REQUEST_METHOD']} info=" . ($_SERVER['PATH_INFO'] ?? '') . " body=" . file_get_contents('php://input');
`

const cgiSource = `#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\npid=%s method=%s info=%s body=%s' "$PPID" "$REQUEST_METHOD" "$PATH_INFO" "$(cat)"
`

const nodeSource = `import http from "node:http";
http.createServer((q, r) => {
  let body = "";
  q.on("data", (d) => body += d);
  q.on("end", () => r.end("pid=" + process.pid + " method=" + q.method + " info=" + q.url + " body=" + body));
}).listen({ fd: 3 });
process.on("SIGTERM", () => process.exit(0));
`

const gunicornSource = `import os
def application(environ, start_response):
    start_response("200 OK", [])
    body = environ["wsgi.input"].read().decode()
    return [("pid=%d method=%s info=%s body=%s" % (os.getppid(), environ["REQUEST_METHOD"], environ["PATH_INFO"], body)).encode()]
`

// nginxPrograms is a front controller as WordPress has it: what is no file goes to
// one script, with the rest of the path as PATH_INFO.
const nginxPrograms = `
    server {
        listen %[1]s;
        root %[2]s;
        location / {
            fastcgi_split_path_info ^(/%[3]s)(/.*)?$;
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_NAME /%[3]s;
            fastcgi_param SCRIPT_FILENAME %[2]s/%[3]s;
            fastcgi_param PATH_INFO $uri;
            fastcgi_pass unix:%[4]s;
        }
    }
`

func TestPrograms(t *testing.T) {
	for _, p := range []struct {
		name, kind, file, source string
		program                  func(t *testing.T, dir string) []string
	}{
		{"php", "fastcgi", "index.php", phpSource, func(t *testing.T, dir string) []string { return []string{need(t, "php-cgi")} }},
		{"libfcgi", "fastcgi", "program.c", libfcgiSource, func(t *testing.T, dir string) []string {
			out := filepath.Join(dir, "program")
			if text, err := exec.Command(need(t, "cc"), "-o", out, filepath.Join(dir, "program.c"), "-lfcgi").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			return []string{out}
		}},
		{"fcgiwrap", "fastcgi", "script.cgi", cgiSource, func(t *testing.T, dir string) []string { return []string{need(t, "fcgiwrap")} }},
		{"node", "exec", "server.mjs", nodeSource, func(t *testing.T, dir string) []string {
			return []string{need(t, "node"), filepath.Join(dir, "server.mjs")}
		}},
		{"gunicorn", "exec", "application.py", gunicornSource, func(t *testing.T, dir string) []string {
			return []string{need(t, "gunicorn"), "--chdir", dir, "application:application"}
		}},
	} {
		t.Run(p.name, func(t *testing.T) {
			dir := folder(t, "program-"+p.name)
			if err := os.Chmod(write(t, filepath.Join(dir, p.file), p.source), 0o755); err != nil {
				t.Fatal(err)
			}
			useProgram(t, p.name, p.kind, dir, p.file, p.program(t, dir))
		})
	}
}

// useProgram runs a program under appd, asks it, kills one of its processes, and
// reloads it.
func useProgram(t *testing.T, name, kind, dir, file string, argv []string) {
	socket, quoted := filepath.Join(dir, "app.sock"), make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = strconv.Quote(a)
	}
	conf := fmt.Sprintf("app {\n  %s = [%s]\n}\nlisten \"unix:%s\" {}\nworkers = 1\nrun_dir = %q\n", kind, strings.Join(quoted, ", "), socket, filepath.Join(dir, "run"))
	appd := launch(t, "program-"+name, nil, binary(t, "appd"), "-c", write(t, filepath.Join(dir, "appd.hcl"), conf))
	appd.awaitLog(t, "worker ready")
	addr := socket
	if kind == "fastcgi" {
		addr = freeAddr(t)
		runPlainNginx(t, "program-"+name+"-nginx", fmt.Sprintf(nginxPrograms, addr, dir, file, socket)).awaitListen(t, addr)
	}
	pid := askProgram(t, addr)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	appd.awaitLog(t, "worker died", "killed")
	appd.signal(t, syscall.SIGHUP)
	appd.awaitLog(t, "reload done")
	askProgram(t, addr)
}

// askProgram posts to a program and returns the process that answered.
func askProgram(t *testing.T, addr string) (pid int) {
	t.Helper()
	body := string(ok(t, addr, "POST", "/some/path", strings.NewReader("posted")).body)
	if _, err := fmt.Sscanf(body, "pid=%d", &pid); err != nil || !strings.HasSuffix(body, " method=POST info=/some/path body=posted") {
		t.Fatalf("%q", body)
	}
	return pid
}
