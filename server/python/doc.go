// Package python starts Python workers: it holds the program that runs inside the
// application's own interpreter, and finds the engine that the program loads.
//
//	appd: Command --argv--> python -u -c PROGRAM
//	                          boot.py: APPD_HANDOFF, sys.path, signals, logging
//	                            |                    \
//	                            | preload_app         \  else
//	                            v                      v
//	                          preload.py --fork-->  serve.py: load the engine, then
//	                          imports once          the application; say ready; serve
//
// The program (folder worker) is Python source without dependencies, for CPython
// 3.9 and newer. It is passed on the command line, so that no file of appd's has
// to be readable for the worker's user but the engine itself.
//
// The package imports nothing of the project and starts no goroutine.
package python
