package network

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// link is what an interface can: the fastest of its modes in Mbit/s, 0 if it
// tells none, and what is plugged into it.
//
// struct ethtool_link_settings: command, speed (4), duplex, port, ... (1 each),
// at 15 the number of 32-bit words in one mask, at 48 the masks, of which the
// first has the modes that are supported. With a wrong number, such as 0, the
// kernel answers with the right one, negative.
func (e ethtool) link(name string) (speed int, media string) {
	const head, words, most = 48, 15, 127
	buf, err := e.ask(name, unix.ETHTOOL_GLINKSETTINGS, head)
	n := -int(int8(buf[words]))
	if err != nil || n <= 0 || n > most {
		return 0, ""
	}
	buf = make([]byte, head+3*4*n)
	binary.NativeEndian.PutUint32(buf, unix.ETHTOOL_GLINKSETTINGS)
	buf[words] = byte(n)
	if err := e(name, buf); err != nil || int(buf[words]) != n {
		return 0, ""
	}
	has := func(bit int) bool {
		return bit/32 < n && binary.NativeEndian.Uint32(buf[head+bit/32*4:])>>(bit%32)&1 != 0
	}
	return fastest(has), medium(buf[9], has)
}

// fastest is the speed of the fastest mode.
func fastest(has func(bit int) bool) (speed int) {
	for _, m := range [...]struct{ first, last, speed int }{
		{0, 1, 10}, {2, 3, 100}, {4, 5, 1000}, {12, 12, 10000}, {15, 15, 2500}, {17, 17, 1000}, {18, 20, 10000},
		{21, 22, 20000}, {23, 26, 40000}, {27, 30, 56000}, {31, 33, 25000}, {34, 35, 50000}, {36, 39, 100000},
		{40, 40, 50000}, {41, 41, 1000}, {42, 46, 10000}, {47, 47, 2500}, {48, 48, 5000}, {52, 56, 50000},
		{57, 61, 100000}, {62, 66, 200000}, {67, 67, 100}, {68, 68, 1000}, {69, 73, 400000}, {75, 79, 100000},
		{80, 84, 200000}, {85, 89, 400000}, {90, 91, 100}, {92, 92, 10}, {93, 98, 800000}, {99, 102, 10},
		{103, 108, 200000}, {109, 114, 400000}, {115, 120, 800000}, {121, 124, 1600000},
	} {
		for bit := m.first; bit <= m.last; bit++ {
			if has(bit) {
				speed = max(speed, m.speed)
			}
		}
	}
	return speed
}

// medium names the connector: as the driver says if that is to be believed, else
// by what the modes are for. Some drivers know of it only while the link is up,
// and 0, twisted pair, is also what those say that don't know.
func medium(port byte, has func(bit int) bool) string {
	const tp, fibre, backplane = 7, 10, 16 // bits
	const portTP, portAUI, portMII, portFibre, portBNC, portDA = 0, 1, 2, 3, 4, 5
	switch {
	case port == portFibre:
		return "fibre"
	case port == portDA:
		return "da"
	case has(tp) && (port == portTP || port == portMII || !has(fibre)):
		return "tp"
	case has(fibre) && !has(tp):
		return "fibre"
	case has(backplane):
		return "backplane"
	case port == portMII:
		return "mii"
	case port == portAUI:
		return "aui"
	case port == portBNC:
		return "bnc"
	}
	return ""
}
