// Package lldp hears who is at the other end of a cable, and says who is at
// this one: the Link Layer Discovery Protocol of IEEE 802.1AB-2016 (chassis,
// port and system; of the organizations' TLVs the VLANs of 802.1Q, annex D, and
// the frame size of 802.3, clause 79), and, only to hear, Cisco's CDP versions 1
// and 2, which many switches speak where LLDP is off.
//
// An LLDPDU is a row of TLVs, each with a header of 16 bits (7 of type, 9 of
// length): chassis ID, port ID and time to live, in this order, then others,
// then one of type 0 and length 0 or the end of the frame.
//
//	type  value
//	1     chassis ID: kind (1), 1 to 255 bytes
//	2     port ID: kind (1), 1 to 255 bytes
//	3     seconds to live (2); 0 = the sender leaves
//	4     port description
//	5     system name
//	6     system description
//	7     capabilities (2), those enabled (2)
//	8     management address: length of (1) kind (1) and address; interface
//	      numbering (1, 4), object identifier
//	127   organization (3), its type (1), its value
//
// All of it is what strangers say: lengths are checked, and what becomes text
// has no control characters.
package lldp
