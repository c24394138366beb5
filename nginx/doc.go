// Package nginx writes, tests and runs the nginx in front of an application.
//
//	Site --> Render --> upstream shop { ... }   a file for sites-enabled,
//	                    server { ... }          complete and commented
//	     --> Test   --> nginx -t                in a folder of its own
//	     --> Server --> nginx, supervised       with its own pid, logs and temporary
//	                                            files, as root or not
//
// A rendered site stands by itself: it includes none of the distribution's
// params files, whose Host has lost its port and whose FastCGI variant has no
// PATH_INFO. Every request carries SCRIPT_NAME and PATH_INFO as nginx has
// authorised them, REQUEST_URI as the client wrote it, REMOTE_ADDR, and HTTPS.
//
// The package never reads appd's configuration, never writes outside the folder
// it is given, and needs no root: an unprivileged nginx listens on high ports.
//
// [Server.Run] owns the nginx process and the one goroutine that waits for it.
// Sections of https://nginx.org/en/docs/ are the source of each directive.
package nginx
