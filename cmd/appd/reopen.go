// appd reopen: open the log files again, after logrotate has moved them.

package main

var reopenVerb = verb{
	name:    "reopen",
	talks:   true,
	summary: "open the log files again (USR1)",
	run:     simple("logs reopened"),
}
