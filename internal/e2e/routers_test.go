// uWSGI's own routers in front of appd: its HTTP router, and its FastRouter behind
// nginx.

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
)

// fastRouted is nginx with the stock params in front of the FastRouter.
const fastRouted = `
    server {
        listen %[1]s;
        client_max_body_size 0;
        location / { include /etc/nginx/uwsgi_params; uwsgi_pass unix:%[2]s; uwsgi_buffering off; }
    }
`

func startRouters(t testing.TB, a *appd) []*front {
	t.Helper()
	ur := &front{code: "UR", protocol: "uwsgi", addr: freeAddr(t), hasty: true}
	fr := &front{code: "FR", protocol: "uwsgi", addr: freeAddr(t), spools: true, hasty: true}
	name := filepath.Base(a.dir) + "-routers"
	socket := filepath.Join(folder(t, name), "fastrouter.sock")
	ur.server = launch(t, name, nil, need(t, "uwsgi-core"), "--master", "--die-on-term",
		"--plugin", "http", "--http", ur.addr, "--http-to", a.socket("apache"), "--http-websockets", "--http-buffer-size", "65535",
		"--plugin", "fastrouter", "--fastrouter", socket, "--fastrouter-to", a.uwsgi(), "--fastrouter-buffer-size", "65535")
	ur.server.awaitListen(t, ur.addr, socket)
	fr.server = runPlainNginx(t, name+"-nginx", fmt.Sprintf(fastRouted, fr.addr, socket))
	fr.server.awaitListen(t, fr.addr)
	return []*front{ur, fr}
}
