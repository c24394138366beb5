// Command bench measures what a request costs, behind a real nginx, for appd's Go
// worker and for the servers of the standard library side by side.
//
//	wrk --> nginx --> appd (FastCGI, uwsgi, HTTP), net/http, net/http/fcgi
//	                  two processes each, on one inherited Unix socket
//
//	go run ./bench            the table: CPU per request, requests per second
//	go run ./bench -wakeups   wake-ups per accepted connection, the spread of a burst
//	go run ./bench -mixed     quick requests beside some that burn CPU
//	go run ./bench -python    Python's worker beside uWSGI and gunicorn (needs the engine: make build, APPD_ENGINE)
//	go run ./bench -python-loads    the same with other applications and numbers of connections
//	go run ./bench -memory    memory of workers, also with a preloaded application (needs appd and its engine beside it)
//
// The cost is user and system time of the server's own processes, from /proc,
// divided by the requests that wrk counted; neither nginx nor wrk is in it. The
// servers take turns in every round and the median of the rounds is shown, so that
// a change of the machine's mood strikes all of them.
//
// The program starts itself again for every server (-role). It waits for its
// children and stops them by their pids.
package main
