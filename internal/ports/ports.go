// Choosing ports.

package ports

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// The ports that are given out: below 32768, where Linux begins to choose.
const (
	first = 12000
	block = 100
	last  = first + 200*block
)

var mu sync.Mutex

// guarded by mu
var (
	locks []net.PacketConn // of our blocks, until the process ends
	next  int              // port of the last block
	left  int              // in it
	seen  int              // blocks that we have or somebody else has
)

// Free returns a port that nobody listens on, and that no other process will get from
// here as long as this one runs.
func Free() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	for {
		if left == 0 {
			if err := lock(); err != nil {
				return "", err
			}
		}
		port := strconv.Itoa(next)
		next, left = next+1, left-1
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return port, l.Close()
		}
	}
}

// lock takes the next block that nobody has. The lock is a name in the network's own
// namespace, which ends with the process that has it.
func lock() error {
	for ; first+(seen+1)*block <= last; seen++ {
		l, err := net.ListenPacket("unixgram", fmt.Sprintf("@appd-test-ports-%d", first+seen*block))
		if err == nil {
			locks = append(locks, l)
			next, left = first+seen*block, block
			seen++
			return nil
		}
	}
	return errors.New("all ports for tests are taken")
}
