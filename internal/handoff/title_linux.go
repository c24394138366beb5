// What ps and top show of a process.

package handoff

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmMap is the kernel's struct prctl_mm_map: where the parts of the address space
// begin and end. Only the place of the arguments changes here.
type mmMap struct {
	startCode, endCode, startData, endData, startBrk, brk, startStack uint64
	argStart, argEnd, envStart, envEnd                                uint64
	auxv                                                              uint64
	auxvSize, exeFD                                                   uint32
}

// title is the memory that the kernel reads our command line from.
var title struct {
	sync.Mutex
	memory []byte
}

const titleSize = 4096

// SetTitle shows text as the command line of this process (ps, top -c) and its first
// 15 bytes as its name (top). It moves the place where the kernel looks for the
// arguments instead of writing over them: os.Args and the environment stay as they
// are, and a short command line does not limit the title. An error, from a kernel
// without CONFIG_CHECKPOINT_RESTORE, means that the title is the old one.
func SetTitle(text string) error {
	title.Lock()
	defer title.Unlock()
	nameErr := os.WriteFile("/proc/self/comm", []byte(text[:min(len(text), 15)]), 0)
	if title.memory == nil {
		m, err := unix.Mmap(-1, 0, titleSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return os.NewSyscallError("mmap", err)
		}
		title.memory = m
	}
	n := copy(title.memory[:titleSize-1], text)
	clear(title.memory[n:])
	return errors.Join(nameErr, moveArguments(title.memory[:n+1]))
}

// moveArguments tells the kernel that the arguments are in m.
func moveArguments(m []byte) error {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	// The fields behind the name, which is in parentheses, start with the third.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	field := func(n int) uint64 {
		if n-3 >= len(fields) {
			return 0
		}
		v, _ := strconv.ParseUint(fields[n-3], 10, 64)
		return v
	}
	mm := mmMap{
		startCode: field(26), endCode: field(27), startStack: field(28),
		startData: field(45), endData: field(46), startBrk: field(47),
		envStart: field(50), envEnd: field(51),
		exeFD: ^uint32(0),
	}
	if mm.startCode == 0 || mm.envEnd == 0 {
		return errors.New("handoff: the kernel does not show the address space")
	}
	brk, _, _ := unix.RawSyscall(unix.SYS_BRK, 0, 0, 0)
	mm.brk = uint64(brk)
	mm.argStart = uint64(uintptr(unsafe.Pointer(&m[0])))
	mm.argEnd = mm.argStart + uint64(len(m))
	err = unix.Prctl(unix.PR_SET_MM, unix.PR_SET_MM_MAP, uintptr(unsafe.Pointer(&mm)), unsafe.Sizeof(mm), 0)
	runtime.KeepAlive(&mm)
	return os.NewSyscallError("prctl", err)
}
