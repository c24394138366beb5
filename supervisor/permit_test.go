package supervisor

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/appd-server/appd/internal/accounts"
)

func TestWebServersUserIsWarnedAbout(t *testing.T) {
	if _, err := accounts.User("www-data"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and www-data")
	}
	cfg := realConfig(t, "") // in a folder with mode 0700
	v := serve(t, cfg)
	v.eventually("a warning", func() bool { return strings.Contains(v.log.String(), "the web server's user cannot open the socket") })
}

// A web server that runs as we do may open whatever we made.
func TestOwnWebServersUser(t *testing.T) {
	cfg := realConfig(t, "")
	cfg.Listeners[0].FrontUser = strconv.Itoa(os.Geteuid())
	if v := serve(t, cfg); strings.Contains(v.log.String(), "the web server's user cannot open the socket") {
		t.Errorf("a warning about ourselves\n%s", v.log)
	}
}
