// Package board tells what a machine's main board carries: the machine itself as
// its maker names it, processors, NUMA nodes and memory (docs/inventory.md). What
// Linux shows in /sys and /proc counts first, the firmware's SMBIOS tables tell
// of what Linux does not see: names, serial numbers, empty sockets and slots.
package board
