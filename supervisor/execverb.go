// The hidden verb that starts an exec application: LISTEN_PID must be the pid of
// the program itself, which nobody knows before the fork.

package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// ExecMain is what the hidden verb does with the arguments behind it: it sets LISTEN_PID
// to our own pid and becomes the program in argv. It returns only with an error, but for
// the keeper, which ends with nil.
func ExecMain(argv []string) error {
	if len(argv) == 0 {
		return errors.New("a program is missing")
	}
	if argv[0] == keeperWord {
		return keeperMain(os.Stdin)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	return &os.PathError{Op: "exec", Path: path, Err: syscall.Exec(path, argv, os.Environ())}
}
