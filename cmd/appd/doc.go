// Command appd runs a web application behind nginx: it pre-forks workers, watches
// them, reloads them without losing a request, and explains every death.
//
//	command line, environment, appd.hcl --> internal/config --> supervisor.Config
//	                                                                  |
//	appd run      supervisor + control socket + nginx + admin endpoint + watcher
//	appd status   --- control socket -->  the appd that runs
//
// main.go is the table of verbs; each verb has a file named after it. This is the
// only place where configuration meets supervisor and nginx. What stands beside the
// supervisor (beside.go) is started and waited for by the verb run.
package main
