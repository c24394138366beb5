// appd upgrade: a new appd takes over the sockets, or the old one goes on.

package main

var upgradeVerb = verb{
	name:    "upgrade",
	talks:   true,
	summary: "start appd's new binary, hand everything over, retire the old one (USR2)",
	more:    "The sockets stay open throughout. When the new appd does not come up the old one goes on, and the reason is shown.",
	run:     simple("upgraded"),
}
