// The names of uWSGI's options, and what becomes of them.

package migrate

// renamed are options that have another name here and the same value.
var renamed = map[string]struct{ name, form string }{
	"processes": {"workers", "n"}, "workers": {"workers", "n"}, "p": {"workers", "n"},
	"threads": {"threads", "n"}, "harakiri": {"timeout", "s"}, "max-requests": {"max_requests", "n"},
	"max-requests-delta": {"max_requests_jitter", "n"}, "max-worker-lifetime": {"max_age", "s"}, "max-worker-lifetime-delta": {"max_age_jitter", "s"},
	"reload-on-rss": {"max_memory", "M"}, "evil-reload-on-rss": {"max_memory_hard", "M"}, "limit-post": {"limit_request_body", "n"},
	"worker-reload-mercy": {"graceful_timeout", "s"}, "reload-mercy": {"graceful_timeout", "s"},
	"chdir": {"chdir", "t"}, "uid": {"user", "t"}, "gid": {"group", "t"}, "umask": {"umask", "t"}, "pidfile": {"pidfile", "t"},
	"safe-pidfile": {"pidfile", "t"}, "procname": {"proc_name", "t"}, "procname-prefix": {"proc_name", "t"}, "procname-master": {"proc_name", "t"},
	"logto": {"errorlog", "t"}, "logto2": {"errorlog", "t"}, "socket-timeout": {"read_timeout", "s"},
	"http-timeout": {"read_timeout", "s"}, "initgroups": {"initgroups", "b"}, "py-autoreload": {"reload", "b"},
	"py-auto-reload": {"reload", "b"}, "python-autoreload": {"reload", "b"}, "python-auto-reload": {"reload", "b"}, "log-slow": {"slow_request", "ms"},
}

// unneeded are options that appd does by itself or that mean nothing to it.
var unneeded = []string{
	"master", "vacuum", "die-on-term", "enable-threads", "single-interpreter", "need-app", "strict", "thunder-lock", "auto-procname",
	"buffer-size", "post-buffering", "no-orphans", "memory-report", "plugin", "plugins", "no-default-app", "lazy", "ignore-sigpipe",
	"ignore-write-errors", "disable-write-exception", "reuse-port", "so-keepalive", "log-x-forwarded-for", "log-master", "harakiri-verbose", "wsgi-disable-file-wrapper",
	"cheaper-algo", "cheaper-step", "cheaper-initial", "cheaper-overload", "manage-script-name", "close-on-exec", "procname-append", "py-call-osafterfork",
	"http-auto-chunked", "http-chunked-input", "http-keepalive", "plugins-dir", "plugin-dir", "pcre-jit", "threads-stacksize", "no-threads-wait",
	"worker-reload-mercy-on-exit", "socket-send-timeout", "ignore-script-name", "pyhome-check", "need-plugin", "need-plugins", "logdate", "log-date",
	"log-zero", "log-micros", "log-prefix", "log-encoder", "log-reopen", "listen-check", "max-fd", "cpu-affinity", "offload-threads",
}

// loggedBy are options about which requests are logged.
var loggedBy = []string{"log-4xx", "log-5xx", "log-big", "log-sendfile", "log-ioerror"}

// unitOf is the unit of uWSGI's numbers, by form.
var unitOf = map[string]string{"s": "s", "ms": "ms", "M": "MiB"}
