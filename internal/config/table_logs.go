// The settings of logs.

package config

var logSettings = []Setting{
	{Name: "accesslog", Block: Top, Form: Text, Path: true, Flags: []string{"access-logfile"}, Computed: "off",
		Doc:   "File of the access log, or `-` for stdout.",
		field: on(func(c *Config) any { return &c.AccessLog })},
	{Name: "access_log_format", Block: Top, Form: Text, Flags: []string{"access-logformat"}, Inside: true,
		Doc:   "Format of a line, in gunicorn's atoms, or `json`.",
		field: on(func(c *Config) any { return &c.Worker.AccessLogFormat })},
	{Name: "errorlog", Block: Top, Form: Text, Default: "-", Path: true, Flags: []string{"error-logfile", "log-file"},
		Doc:   "File of appd's own log, or `-` for stderr.",
		field: on(func(c *Config) any { return &c.ErrorLog })},
	{Name: "loglevel", Block: Top, Form: Text, Default: "info", Flags: []string{"log-level"},
		OneOf: []string{"debug", "info", "warning", "error", "critical"},
		Doc:   "The least important messages that are logged. What the application prints is always logged, unless a line names a lower level itself.",
		field: on(func(c *Config) any { return &c.LogLevel })},
	{Name: "log_format", Block: Top, Form: Text, Default: "text", Flags: []string{"log-format"}, OneOf: []string{"text", "json"},
		Doc:   "Form of appd's own log.",
		field: on(func(c *Config) any { return &c.LogFormat })},
	{Name: "capture_output", Block: Top, Form: Bool, Default: "true", Flags: []string{"capture-output"}, NoFlag: "no-capture-output",
		Doc:   "Workers' stdout and stderr go line by line to the error log, with slot and pid. `false` passes them through untouched.",
		field: on(func(c *Config) any { return &c.CaptureOutput })},
	{Name: "slow_request", Block: Top, Form: Duration, Flags: []string{"slow-request"}, Inside: true,
		Doc:   "Log requests that take longer than this, with their stack while they still run. 0 means off.",
		field: on(func(c *Config) any { return &c.Worker.SlowRequest })},
}
