package migrate

import (
	"os"
	"strings"
	"testing"
)

// The manual's page has a word about every setting of gunicorn's, by its name or by
// the family it belongs to.
func TestManualNamesEverySetting(t *testing.T) {
	manual, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("../config/testdata/gunicorn-settings.txt")
	if err != nil {
		t.Fatal(err)
	}
	families := []string{"http2_", "dirty_", "on_dirty_", "statsd_", "dogstatsd_", "permit_", "ssl_", "asgi_", "syslog", "logconfig", "control_socket"}
	others := map[string]string{"default_proc_name": "proc_name", "disable_redirect_access_to_syslog": "syslog", "raw_paste_global_conf": "paste"}
	tls := []string{"ca_certs", "cert_reqs", "ciphers", "do_handshake_on_connect", "suppress_ragged_eofs"}
	for line := range strings.Lines(string(list)) {
		name := strings.Fields(line)[0]
		stem := name
		for _, family := range families {
			if strings.HasPrefix(name, family) {
				stem = strings.Trim(strings.TrimPrefix(family, "on_"), "_")
			}
		}
		if other, ok := others[name]; ok {
			stem = other
		}
		for _, t := range tls {
			if name == t {
				stem = "certfile"
			}
		}
		if !strings.Contains(string(manual), stem) {
			t.Errorf("docs/migrating.md says nothing about %s", name)
		}
	}
}
