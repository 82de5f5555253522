// Package device tells what is attached to a machine, for its inventory
// (docs/inventory.md): PCI functions, USB devices, graphics cards,
// software-defined radios, serial ports, watchdogs and sensors. All of it is in
// sysfs (Documentation/ABI of Linux); radios on the network are asked.
package device
