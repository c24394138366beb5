// appd dev: the configuration, changed for somebody who is writing the code.

package main

var devVerb = verb{
	name: "dev", args: "[APP]", app: true,
	summary: "run for development: reload on save, one worker, errors in terminal and browser",
	more: `The same as run with reload = true, one worker, the access log on the terminal, and plain HTTP on
127.0.0.1:8000 besides the configured sockets, unless the file names a TCP address. What somebody wrote in the
environment or on the command line stands. Keys: r reloads, q stops.`,
	run: func(in *invocation) int { return run(in, true) },
}
