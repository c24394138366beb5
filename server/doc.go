// Package server is what a Go application calls to be a worker of appd.
//
//	func main() {
//		if err := server.Run(handler); err != nil {
//			log.Fatal(err)
//		}
//	}
//
//	started by appd     the inherited sockets; FastCGI, uwsgi and HTTP
//	APPD_LISTEN=ADDR    unix:PATH or HOST:PORT, by hand
//	PORT=N              0.0.0.0:N, by hand
//	otherwise           127.0.0.1:8000, by hand
//
// For the handler all protocols look the same: a complete *http.Request, and a
// ResponseWriter with everything that http.ResponseController can ask for.
// protocols.Params(r) gives the front's own variables. Who brings a socket uses a
// [Server], which has the methods of *http.Server.
//
//	eventloop.Exchange --> request, context, body --> Handler.ServeHTTP
//	                   <-- response (one write for a small answer) <--'
//
// Guarantees:
//
//   - A request's context is cancelled, with a cause, when the front gives it up,
//     when it takes longer than its timeout, and when the worker has to leave.
//   - No answer has more bytes than its Content-Length; one that has fewer, or
//     whose handler panicked halfway, is visibly broken off.
//   - A panic costs one request, never the process.
//
// Goroutines: one a request, started by the event loop; Run adds one that listens
// to the supervisor. All have ended when Serve or Run returns, but for handlers
// that outlive the graceful timeout.
//
// On other systems than Linux the package serves plain HTTP with net/http, so that
// an application can be developed there.
package server
