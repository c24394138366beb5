// appd version: what this binary was built from.

package main

import (
	"fmt"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/appd-server/appd/internal/handoff"
)

var versionVerb = verb{
	name:    "version",
	summary: "show what this appd was built from",
	run: func(in *invocation) int {
		fmt.Println(version())
		fmt.Println("worker contract version", handoff.Version)
		return exitDone
	},
}

// version reads the build information that the Go tool leaves in every binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "appd (unknown version) " + runtime.Version()
	}
	kept := map[string]string{}
	for _, s := range info.Settings {
		kept[s.Key] = s.Value
	}
	text := "appd " + info.Main.Version
	if rev := kept["vcs.revision"]; rev != "" {
		text += "\ncommit " + rev
		if kept["vcs.time"] != "" {
			text += " of " + kept["vcs.time"]
		}
		if kept["vcs.modified"] == "true" {
			text += ", with changes that are not committed"
		}
	}
	return fmt.Sprintf("%s\nbuilt with %s for %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// tag is the version of a released appd, "" for one that was built from a
// checkout: what belongs to it must be of the same release.
func tag() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !released.MatchString(info.Main.Version) {
		return ""
	}
	return info.Main.Version
}

// released are versions that are a tag's; between two tags the Go tool makes up others.
var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-(alpha|beta|rc)[.0-9]*)?$`)
