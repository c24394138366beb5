// Package watch tells when the source of an application has really changed.
//
//	inotify, or a clock --> something happened --> 100 ms of quiet, 2 s at most
//	                                                        |
//	              what changed <-- compared with the last <-- survey of every file that counts
//
// Events are only hints. What counts is the survey: one walk over the trees, the
// extra files and the loaded modules, which yields the files with their content's
// hash and the directories that have to be watched. Two surveys compared give the
// change, so a file saved by renaming, a swapped symbolic link, a checkout of 500
// files, a lost event and a save that changed nothing all need no case of their
// own, and polling is the same survey driven by a clock.
//
// Directories are pruned before they are watched: version control, virtual
// environments, node_modules, caches and what .gitignore names cost neither a
// watch nor a look. When the kernel's limits are reached, or the tree lies on a
// file system without events, the watcher polls and says so once.
//
// [Watcher.Begin] takes the state to compare with; [Watcher.Run] owns everything: it
// blocks, starts no goroutine that outlives it, and calls back from its own loop. While
// nothing happens it does nothing.
//
// This is the only package that knows fsnotify.
package watch
