// Package lab is a room of machines at the level of processes: a server and N
// nodes, each a network namespace with one interface, on a bridge that stands
// for the switch, with the faults of real networks made on demand.
//
// Nothing of it has a name outside: namespaces are held by file descriptors
// and threads of this process, interfaces are born inside them and commands
// die with the thread that started them. So a lab ends when it is closed and
// just as well when its process is killed.
//
// Loss of single frames and rates are left to nftables and to the token bucket
// of the kernel (nft(8), tc-tbf(8)) where it has them. Bursts, delay, reordering
// and duplicates, and those two where the kernel has them not, are made by a
// relay of our own that moves Ethernet frames between two interfaces by packet
// sockets (packet(7)), with a random source that repeats for a seed.
//
// The kernel charges the work of the switch, and much of that of the receivers,
// to whoever sends: a server's CPU time in the lab grows with the number of
// nodes, as on a real network it would not. So compare ways of sending with the
// same nodes. The work of relays is this process's.
package lab
