// The hooks: where each runs, and so what it may be.

package config

// hookPoints lists all hooks. Those inside a worker are callables, the others
// commands.
var hookPoints = []struct {
	name   string
	inside bool
	when   string
}{
	{"on_starting", false, "before sockets are bound; its failure aborts the start"},
	{"when_ready", false, "the first worker is ready"},
	{"on_reload", false, "a reload begins, after the new configuration was accepted"},
	{"nworkers_changed", false, "the wanted number of workers changes"},
	{"pre_fork", false, "before each worker is started"},
	{"child_exit", false, "a worker ended; with the reason"},
	{"pre_exec", false, "before a binary upgrade; its failure aborts the upgrade"},
	{"on_exit", false, "last thing"},
	{"post_fork", true, "the process exists, the application is not loaded"},
	{"post_worker_init", true, "the application is loaded, the worker not ready yet"},
	{"pre_request", true, "before each request"},
	{"post_request", true, "after each request that began"},
	{"worker_int", true, "the worker is told to stop fast"},
	{"worker_abort", true, "the worker is about to be killed for a timeout"},
	{"worker_exit", true, "the worker leaves"},
}

// HookNames lists the names of all hooks.
func HookNames() (names []string) {
	for _, h := range hookPoints {
		names = append(names, h.name)
	}
	return names
}

// Inside tells whether the hook runs in a worker.
func (h *Hook) Inside() bool {
	for _, p := range hookPoints {
		if p.name == h.Name {
			return p.inside
		}
	}
	return false
}
