// Errors as people read them: one line, then the application's own output.

package main

import (
	"errors"
	"strings"

	"github.com/appd-server/appd/supervisor"
)

// explain is err with the output that belongs to it.
func explain(err error) string {
	text := err.Error()
	if out := strings.Join(output(err), "\n"); !strings.Contains(text, out) {
		text += "\n" + out
	}
	return text
}

// output is what the application or the compiler had to say. What is wrong with a
// configuration is the error itself.
func output(err error) []string {
	if reload, ok := errors.AsType[*supervisor.ReloadError](err); ok && len(reload.Output) > 0 {
		return reload.Output
	}
	if boot, ok := errors.AsType[*supervisor.BootError](err); ok {
		return boot.Output
	}
	if prepare, ok := errors.AsType[*supervisor.PrepareError](err); ok {
		return prepare.Output
	}
	return nil
}
