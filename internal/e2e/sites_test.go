// Sites of package nginx with what only some have: a mount, TLS, files of nginx's own.

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/appd-server/appd/nginx"
)

// serveSites runs an nginx with one site for each protocol, changed by change.
func serveSites(t *testing.T, a *appd, change func(*nginx.Site)) (addrs map[string]string) {
	t.Helper()
	addrs = map[string]string{}
	var sites []nginx.Site
	for _, protocol := range []string{"fastcgi", "uwsgi", "http"} {
		addrs[protocol] = freeAddr(t)
		s := nginxSite(a, protocol, addrs[protocol], protocol)
		change(&s)
		sites = append(sites, s)
	}
	server := runNginx(t, t.Name()+"-nginx", sites, "")
	for _, addr := range addrs {
		server.awaitListen(t, addr)
	}
	return addrs
}

// Below a mount the application sees its own paths, and SCRIPT_NAME says where it is.
func TestSiteMounted(t *testing.T) {
	t.Setenv("APPD_MOUNT", "/shop")
	a := ownAppd(t, nil, "")
	addrs := serveSites(t, a, func(s *nginx.Site) { s.Mount = "/shop" })
	for protocol, addr := range addrs {
		s := echo(t, addr, "GET", "/shop/echo/a%20b%0Ac", nil)
		if s.Path != `"/echo/a b\nc"` {
			t.Errorf("%s: path = %s", protocol, s.Path)
		}
		if got := s.param("SCRIPT_NAME"); protocol != "http" && !slices.Equal(got, []string{`"/shop"`}) {
			t.Errorf("%s: SCRIPT_NAME = %q", protocol, got)
		}
		if got := s.param("PATH_INFO"); protocol != "http" && !slices.Equal(got, []string{`"/echo/a b\nc"`}) {
			t.Errorf("%s: PATH_INFO = %q", protocol, got)
		}
		for _, outside := range []string{"/shopping", "/", "/shop%0A"} {
			if got, err := request(addr, "GET", outside, nil); err != nil || got.status != 404 {
				t.Errorf("%s: %s = %+v, %v", protocol, outside, got, err)
			}
		}
	}
}

// The application knows that the client spoke HTTPS, whoever says so, and a
// client cannot claim it.
func TestSiteHTTPS(t *testing.T) {
	a := shared(t)
	dir := folder(t, "tls")
	certificate(t, dir)
	lines := write(t, filepath.Join(dir, "tls.conf"), fmt.Sprintf("ssl_certificate %s/cert.pem;\nssl_certificate_key %[1]s/key.pem;\n", dir))
	addrs := serveSites(t, a, func(s *nginx.Site) {
		s.Listen[0] += " ssl"
		s.Include = []string{lines}
	})
	client := &http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // self-signed a moment ago
	}}
	for protocol, addr := range addrs {
		r, err := http.NewRequestWithContext(context.Background(), "GET", "https://"+addr+"/echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		var s seen
		err = json.NewDecoder(resp.Body).Decode(&s)
		resp.Body.Close()
		if err != nil || !s.TLS || s.Host != addr {
			t.Errorf("%s: TLS %v, Host %q, %v", protocol, s.TLS, s.Host, err)
		}
	}
	for _, f := range family(t, programs[0]) {
		s := echo(t, f.addr, "GET", "/echo", nil, header("X-Forwarded-Proto", "https"), header("Https", "on"))
		if s.TLS && f.code != "NH0" { // the distribution's line passes a client's header through
			t.Errorf("%s: a client's header makes the request HTTPS", f.code)
		}
	}
}

// certificate writes a self-signed one.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})))
}

// nginx serves files by itself, below a root and in the place of a prefix, and none
// beside them.
func TestSiteStatic(t *testing.T) {
	a := shared(t)
	dir := folder(t, "static")
	write(t, filepath.Join(subfolder(t, dir, "assets"), "a.css"), "root")
	write(t, filepath.Join(subfolder(t, dir, "assets.old"), "secret"), "beside")
	write(t, filepath.Join(dir, "b.css"), "alias")
	write(t, filepath.Join(dir, "b.css.bak"), "beside")
	addrs := serveSites(t, a, func(s *nginx.Site) {
		s.Static = []nginx.Static{
			{Prefix: "/assets/", Root: dir, Expires: time.Hour}, {Prefix: "/files/", Alias: dir},
			{Prefix: "/bare", Alias: filepath.Join(dir, "assets")}, {Prefix: "/b.css", Alias: filepath.Join(dir, "b.css")},
		}
	})
	for protocol, addr := range addrs {
		if got := ok(t, addr, "GET", "/assets/a.css", nil); string(got.body) != "root" || got.header.Get("Cache-Control") != "max-age=3600" {
			t.Errorf("%s: root = %q, %v", protocol, got.body, got.header)
		}
		if got := ok(t, addr, "GET", "/files/b.css", nil); string(got.body) != "alias" {
			t.Errorf("%s: alias = %q", protocol, got.body)
		}
		for path, want := range map[string]string{"/bare/a.css": "root", "/b.css": "alias"} {
			if got := ok(t, addr, "GET", path, nil); string(got.body) != want {
				t.Errorf("%s: %s = %q, want %q", protocol, path, got.body, want)
			}
		}
		for _, path := range []string{"/bare.old/secret", "/bare../b.css", "/b.css.bak"} {
			got, err := request(addr, "GET", path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(got.body); text == "beside" || text == "alias" {
				t.Errorf("%s: %s leads to a file beside the folder", protocol, path)
			}
		}
	}
}
