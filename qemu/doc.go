// Package qemu is a rack of virtual nodes: machines with real firmware, real
// PXE ROMs and real disk controllers, on an Ethernet of their own.
//
// A [Rack] is a network namespace with a bridge, br0, that carries the head's
// address. Whatever serves the nodes (orbitd, dnsmasq, a web server of the
// test) runs inside it; every node hangs on the bridge by a tap. Nothing of it
// is visible on the host, so any number of racks may run side by side with the
// same addresses. Without the right to make a namespace the rack falls back to
// QEMU's user-mode network, where a node reaches the head at 10.0.2.2 but no
// DHCP or TFTP server of ours can reach the node.
//
// A [Machine] is a running node: its serial console is kept in a file and can
// be waited on and typed to, and QMP resets it, switches it off and reports its
// disk's statistics. Its disks may fail where they are told to, and keep a log of
// what was written to them.
//
// Machines run under KVM where a trial guest really runs, otherwise under TCG.
//
// References: QEMU's system emulator manual (qemu-system-x86_64(1)), the QMP
// reference manual, network_namespaces(7), user_namespaces(7); for the log of
// writes Documentation/admin-guide/device-mapper/log-writes.rst of Linux.
package qemu
