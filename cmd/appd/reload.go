// appd reload: new configuration and new code, or the reason why not.

package main

var reloadVerb = verb{
	name:    "reload",
	talks:   true,
	summary: "load configuration and code afresh; waits, and says why it was refused",
	more:    "The old generation goes on serving when the new one does not come up. Exit status 0 or 1. HUP does the same without waiting.",
	run:     simple("reloaded"),
}
