package main

import (
	"maps"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary be appd, and every application that the scripts
// run, by the name it is started with.
func TestMain(m *testing.M) {
	commands := map[string]func(){"appd": func() { os.Exit(appd(os.Args[1:])) }}
	maps.Copy(commands, apps)
	testscript.Main(m, commands)
}

func TestScripts(t *testing.T) {
	engineDir = t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               setup,
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(8 * time.Minute),
	})
}
