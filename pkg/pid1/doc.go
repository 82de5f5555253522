// Package pid1 is the first process of a node: it mounts what a Linux userland
// expects, starts the agent as its child, gives a shell to whoever presses
// Enter on a console, and reaps orphans.
//
// It stays tiny because the kernel panics when process 1 ends: everything that
// may crash or run out of memory lives in a child. All waiting for children is
// done by one loop around wait4(2); os/exec is never used here, because its
// own waiting and the loop would steal each other's children.
//
// Signals, as in busybox init: TERM and INT (Ctrl-Alt-Del) reboot; USR1, USR2
// and PWR switch off. HUP opens the shells without waiting for Enter.
package pid1
