// The settings of development, and of the command line alone.

package config

var devSettings = []Setting{
	{Name: "reload", Block: Top, Form: Bool, Flags: []string{"reload"},
		Doc:   "Restart when the code changes. For development.",
		field: on(func(c *Config) any { return &c.Reload })},
	{Name: "reload_engine", Block: Top, Form: Text, Default: "auto", Flags: []string{"reload-engine"}, OneOf: []string{"auto", "inotify", "poll"},
		Doc:   "How changes are noticed. `auto` is inotify, and polling where that does not work.",
		field: on(func(c *Config) any { return &c.ReloadEngine })},
	{Name: "reload_extra_files", Block: Top, Form: List, Path: true, Flags: []string{"reload-extra-file", "reload-extra-files"},
		Doc:   "More files, folders and globs (with `**`) to watch while `reload` is on, besides code, templates and style sheets. They need not exist yet.",
		field: on(func(c *Config) any { return &c.ReloadExtraFiles })},
	{Name: "browser_reload", Block: Top, Form: List, Path: true, Flags: []string{"browser-reload"},
		Doc:   "Globs of files whose change only refreshes the browser, because the code reads them itself. Without it: style sheets that no Go program embeds.",
		field: on(func(c *Config) any { return &c.BrowserReload })},
	{Name: "check_config", Block: Top, Form: Bool, Flags: []string{"check-config"},
		Doc:   "Check the configuration, load the application once, and exit. The same as `appd check`.",
		field: on(func(c *Config) any { return &c.CheckConfig })},
	{Name: "print_config", Block: Top, Form: Bool, Flags: []string{"print-config"},
		Doc:   "Print every effective setting and where it came from, and exit. The same as `appd check --print`.",
		field: on(func(c *Config) any { return &c.PrintConfig })},
}
