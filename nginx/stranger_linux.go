// Waiting for a process that is not our child.

package nginx

import "golang.org/x/sys/unix"

// awaitStranger returns when pid has ended.
func awaitStranger(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended already
	}
	defer unix.Close(fd)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return
		}
	}
}
