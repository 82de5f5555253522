// Package network tells of network interfaces, of the switches they are plugged
// into, and of radios (docs/inventory.md): from sysfs, from drivers by ethtool's
// ioctl (include/uapi/linux/ethtool.h) and from cfg80211 by nl80211. Drivers and
// cables are asked only on the machine this runs on.
package network
