// Package config reads what somebody wrote about an application (appd.hcl, the
// environment, the command line) into one [Config], strictly: a name that is not
// a setting is an error that says where it stands and what was probably meant.
//
//	            table.go: one row a setting
//	                      |
//	default  <  code  <  appd.hcl  <  APPD_*  <  flags
//	   |         |           |          |          |
//	   |     (the worker     '----------+----------'
//	   |      says so when              |
//	   |      it is ready)       Load -> Config, Faults
//	   '---------------------------------'  |
//	                                        +-> check --print  (value, and where it came from)
//	                                        +-> hand-over      (only what somebody wrote)
//	                                        '-> docs/config.md (WriteReference)
//
// Every setting is one row of the tables in table_*.go. The row feeds the decoder,
// the flags, the APPD_* variables, the printed configuration and the manual, so
// none of them can forget one.
//
// Invariants: nothing is applied half; [Load] returns all faults at once, in the
// order of the source. A value always knows where it came from ([Config.Where]).
// Loading has no side effects and starts no goroutine, so a reload may load, look
// and throw away.
package config
