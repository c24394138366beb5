// Command capture is a backend that records what a front server sends to it, and
// writes it down as a golden packet:
//
//	go run ./internal/golden/capture -protocol fastcgi -socket /tmp/x.sock \
//	    -comment "nginx 1.22.1, fastcgi_pass, a GET" -o protocols/fastcgi/testdata/nginx-get.txtar
//
// It takes one connection, answers every request on it, and ends when the front
// closes it or as many requests as -requests says are answered.
package main
