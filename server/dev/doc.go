// Package dev is the browser's side of development: it puts a small script into
// the pages that an application answers, and tells open pages what happened to
// the code behind them.
//
//	page  <-- answer of the application, with <script src="/__appd/reload.js" data-version=...>
//	page  --> GET /__appd/reload        one event stream for all tabs, through the same listener
//	      <-- hello {version, edits, failure}, failure, fixed, css, reload
//
// A new generation needs no event at all: the draining worker ends its streams,
// the browser connects again, meets a worker of the new generation, hears its
// version in hello, and loads the pages anew that carry an older one. What a person
// sees between is the old page, never a broken one.
//
// The package works on heads and bytes of answers, not on net/http: it serves Go
// workers and Python workers alike. Nothing of it runs outside development.
// A [Hub] owns one goroutine, which keeps streams alive and ends with Close.
package dev
