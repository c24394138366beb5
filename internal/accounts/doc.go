// Package accounts finds the numbers that the kernel knows users and groups by.
//
//	"www-data" --> passwd, group, NSS --> 33
//	"1000"     -------------------------> 1000, known or not
//
// A number is never wrapped around: 4294967296 is not root, and 4294967295, which
// means "unchanged" to the kernel, is nobody. The package starts no goroutine.
package accounts
