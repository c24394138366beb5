// Owed: connections that this process was woken for, and must not leave behind.

//go:build linux

package eventloop

// The kernel wakes one process for a connection (EPOLLEXCLUSIVE). One that takes its
// listener out of epoll at that moment may never see the event; then the connection
// waits until the next one comes, while other workers have nothing to do. So whoever
// leaves a listener takes what is there, up to as many as it may have been woken for:
// one for each thread that waited.
const owed = 16

// takeOwed accepts up to n connections that wait. The caller holds ls.mu.
func (ls *listener) takeOwed(n int) {
	for range n {
		select {
		case <-ls.loop.stop:
			return
		default:
		}
		if !ls.letIn(nil) {
			return
		}
	}
}

// takeOwed does so for every listener.
func (l *Loop) takeOwed() {
	for _, ls := range l.listeners {
		ls.mu.Lock()
		if ls.fd >= 0 {
			ls.takeOwed(owed)
		}
		ls.mu.Unlock()
	}
}
