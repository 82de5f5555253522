// Package nl80211 asks Linux what its wireless devices can: generic netlink
// family nl80211, commands GET_WIPHY and GET_REG (include/uapi/linux/nl80211.h).
//
// A message is a command (1 byte), a version (1), two bytes of nothing, and then
// attributes: length with this header (2), type (2), value, padding to 4 bytes.
// Lengths and numbers are in the machine's byte order. A device is told of in
// several messages, which are put together by its index, because with all of its
// channels it is too long for one.
package nl80211
