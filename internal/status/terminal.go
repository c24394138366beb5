// The terminal of `appd top`.

package status

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

const (
	// redraw is how often the screen changes.
	redraw = time.Second

	enter = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leave = "\x1b[?25h\x1b[?1049l"
)

// Top shows the state on a live screen until q or Ctrl-C is pressed, ctx ends or the
// source fails, whose error it returns. Where out is no terminal it prints one
// screen as plain text.
func Top(ctx context.Context, in, out *os.File, source Source) error {
	before, err := look(ctx, source)
	if err != nil {
		return err
	}
	if !term.IsTerminal(int(out.Fd())) {
		return topOnce(ctx, out, source, before)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	keys, restore := readKeys(in)
	defer restore()
	io.WriteString(out, enter)
	defer io.WriteString(out, leave)
	return topLoop(ctx, out, source, before, keys, resized)
}

func look(ctx context.Context, source Source) (*moment, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := source(ctx)
	if err != nil {
		return nil, err
	}
	return newMoment(s, time.Now()), nil
}

// topOnce prints what happened within a second.
func topOnce(ctx context.Context, out io.Writer, source Source, before *moment) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(redraw):
	}
	now, err := look(ctx, source)
	if err != nil {
		return err
	}
	sc := screen{width: 1000, height: 1000, bold: func(s string) string { return s }}
	for _, line := range sc.lines(before, now) {
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func topLoop(ctx context.Context, out *os.File, source Source, before *moment, keys <-chan byte, resized <-chan os.Signal) error {
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	now := before
	for {
		draw(out, before, now)
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			if key == 'q' || key == 'Q' || key == 3 { // Ctrl-C in raw mode
				return nil
			}
		case <-resized:
		case <-tick.C:
			next, err := look(ctx, source)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			before, now = now, next
		}
	}
}

func draw(out *os.File, before, now *moment) {
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	sc := screen{width: width, height: height, bold: func(s string) string { return "\x1b[1m" + s + "\x1b[0m" }}
	io.WriteString(out, frame(sc.lines(before, now)))
}

// readKeys makes a terminal give single keys, if we are in its foreground: a job in
// the background would be stopped for it. The channel is nil where there is no
// keyboard. restore ends the reading.
func readKeys(in *os.File) (keys <-chan byte, restore func()) {
	fd := int(in.Fd())
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil || group != unix.Getpgrp() {
		return nil, func() {}
	}
	old, err := term.MakeRaw(fd)
	if err != nil {
		return nil, func() {}
	}
	pressed, quit := make(chan byte), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		poll(fd, pressed, quit)
	}()
	return pressed, func() {
		close(quit)
		<-done
		term.Restore(fd, old)
	}
}

// poll sends the keys pressed until quit is closed or the terminal is gone.
func poll(fd int, pressed chan<- byte, quit <-chan struct{}) {
	for {
		select {
		case <-quit:
			return
		default:
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if ready < 1 {
			continue
		}
		var key [1]byte
		if n, err := unix.Read(fd, key[:]); n != 1 && err != unix.EINTR {
			return
		}
		select {
		case pressed <- key[0]:
		case <-quit:
			return
		}
	}
}
