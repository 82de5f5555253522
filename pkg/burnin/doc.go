// Package burnin tries a machine hard and tells what did not stand it: memory, by
// patterns that are written and read back; processors, by computations of which
// the result is known or must be the same on each; disks, by reading all over
// them, and by writing where that was asked for; the network, by streams from and
// to the head. docs/burnin.md.
//
// It ends in time, whatever hangs. Beside the tests it looks at what the machine
// itself counts: memory errors (Linux EDAC), machine checks, the errors that disks
// and network interfaces report, and throttling by heat.
package burnin
