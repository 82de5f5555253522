// Package room fills rooms of a lab (package lab) by processes: a server and
// clients of frisbee, the same by HTTP, and somebody who disturbs. Each is a
// process of its own on its host, so that what it takes of the CPU and of memory
// is its own, and it can be killed as by a power cut.
//
// The processes are this very program, started again: a program or test that
// uses this package calls Main first of all.
package room
