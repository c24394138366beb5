// Package migrate writes an appd.hcl from what another server was told.
//
//	gunicorn.conf.py --python--> values --+
//	                                      +--> Draft --> appd.hcl
//	uwsgi.ini ---------------> options  --+      '-----> what could not be carried over, and why
//
// A name that appd knows under another name is renamed, one that appd does not need
// is dropped and listed, one that has no counterpart is listed with what to use
// instead. Nothing is guessed: what cannot be carried over exactly is listed.
package migrate
