// Command lossless counts the requests that appd, gunicorn and uWSGI lose when they
// are reloaded, broken, stopped, recycled, killed and upgraded, behind one nginx.
//
//	clients --> nginx --> appd      --> the same WSGI application,
//	                  --> gunicorn      two processes each
//	                  --> uWSGI
//
//	make build && go run ./bench/lossless
//
// A few clients ask all the time, gently; what is done to the server meanwhile is
// a scenario. A request fails when its answer is not the application's. The longest
// wait is that of one request, failed ones included. The application takes half a
// second to import, as real ones do.
//
// Every server is used as its manual says, with its defaults: gunicorn's sync
// workers, uWSGI with a master process. Where a program has a gentler way to do the
// same (uWSGI's master FIFO for a graceful stop), that way is taken.
//
// It ends what it started, by pid; clients are bounded in number and time.
package main
