package uhd

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHello(t *testing.T) {
	// struct.pack("!LLL24x", 0, ord('a'), 0), struct.pack("!LLLL", 1, N, 0, 0).
	want := "\x00\x00\x00\x00\x00\x00\x00a" + strings.Repeat("\x00", 28)
	if got := string(usrp2Hello()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want = "\x00\x00\x00\x01\x01\x02\x03\x04" + strings.Repeat("\x00", 8)
	if got := string(x300Packet(flagAnswer, 0x01020304, 0)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	// What the X300 series takes the packet for the others for must do nothing.
	if flags := binary.BigEndian.Uint32(usrp2Hello()); flags != 0 {
		t.Errorf("flags %#x", flags)
	}
}

func TestMPM(t *testing.T) {
	for _, c := range []struct {
		packet, product, serial string
		ok                      bool
	}{
		{"USRP-MPM;type=n3xx;product=n310;serial=31A0B1C;claimed=False", "n310", "31A0B1C", true},
		{"USRP-MPM;type=x4xx;product=x410;serial=328AFD7;fpga=X4_200;claimed=True\x00\x00garbage;serial=1", "x410", "328AFD7", true},
		{"USRP-MPM", "", "", true},
		{"USRP-MPM;;=;serial", "", "", true},
		{"USRP-MPMX;serial=1", "", "", false},
		{"", "", "", false},
	} {
		product, serial, ok := mpm([]byte(c.packet))
		if product != c.product || serial != c.serial || ok != c.ok {
			t.Errorf("%q: %q, %q, %v", c.packet, product, serial, ok)
		}
	}
}

// board is the EEPROM of an X300.
func board(product uint16, name, serial string) []byte {
	b := make([]byte, eepromSize)
	binary.LittleEndian.PutUint16(b[productAt:], product)
	copy(b[nameAt:serialAt], name)
	copy(b[serialAt:], serial)
	return b
}

func TestX300(t *testing.T) {
	for _, c := range []struct {
		version            uint32
		eeprom             []byte
		kind, name, serial string
	}{
		{6 << 16, board(0x7862, "roof", "30F0A1B"), "USRP X310", "roof", "30F0A1B"},
		{5<<16 | 1, board(0x7736, "", "123456789"), "USRP X300", "", "123456789"},
		{6 << 16, board(0xffff, strings.Repeat("\xff", 23), "\xff\xff"), "USRP X3x0", "", ""},
		{5 << 16, board(0x7862, "roof", "30F0A1B"), "USRP X3x0", "", ""}, // has none in memory
	} {
		x := &x300{words: map[uint32]uint32{}}
		r := radio{version: c.version, eeprom: c.eeprom}
		for _, address := range wanted() {
			if kind, _, serial := x.facts(); kind != "USRP X3x0" || serial != "" {
				t.Errorf("%q, %q of a part of the EEPROM", kind, serial)
			}
			x.take(r.answer(x300Packet(flagAnswer|flagRead, 1, address)))
		}
		kind, name, serial := x.facts()
		if diff := cmp.Diff([]string{c.kind, c.name, c.serial}, []string{kind, name, serial}); diff != "" {
			t.Error(diff)
		}
	}
}

// radio is an X300 as its firmware answers: handle_udp_fw_comms.
type radio struct {
	version uint32
	eeprom  []byte
	deaf    [2]int32 // it does not hear the packets from one number to another
	heard   atomic.Int32
	writes  atomic.Int32
}

func (r *radio) answer(b []byte) []byte {
	if n := r.heard.Add(1); n >= r.deaf[0] && n < r.deaf[1] {
		return nil
	}
	flags, address := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[8:])
	reply := append([]byte(nil), b[:16]...)
	if flags&8 != 0 {
		word := uint32(0xdeadbeef)
		if address == 0x6000 {
			word = r.version
		} else if at := int(address) - 0x6000 - 13*4; at >= 0 && at+4 <= len(r.eeprom) {
			word = binary.BigEndian.Uint32(r.eeprom[at:])
		}
		binary.BigEndian.PutUint32(reply[12:], word)
	}
	if flags&4 != 0 {
		r.writes.Add(1)
	}
	if flags&1 == 0 {
		return nil
	}
	return reply
}

// usrp2 answers as the firmware of USRP2s: handle_udp_ctrl_packet.
func usrp2(b []byte) []byte {
	reply := make([]byte, 36)
	binary.BigEndian.PutUint32(reply, 12)
	switch {
	case len(b) < 36:
		binary.BigEndian.PutUint32(reply[4:], ' ')
	case binary.BigEndian.Uint32(b) != 12 || b[7] == 'a':
		binary.BigEndian.PutUint32(reply[4:], 'A')
	}
	return reply
}

func TestBroadcast(t *testing.T) {
	for network, want := range map[string]string{
		"10.1.2.3/8": "10.255.255.255", "192.168.10.1/24": "192.168.10.255", "10.0.0.1/30": "10.0.0.3", "1.2.3.4/0": "255.255.255.255", "1.2.3.4/32": "1.2.3.4",
	} {
		if got := broadcast(netip.MustParsePrefix(network)); got.String() != want {
			t.Errorf("%s: %s, want %s", network, got, want)
		}
	}
}

// FuzzAnswers has three neighbours say anything.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("USRP-MPM;product=n310;serial=1"), usrp2(usrp2Hello()), x300Packet(flagAnswer|flagRead, 0, eeprom))
	f.Add(x300Packet(flagAnswer, hello, 0), x300Packet(flagAnswer|flagRead, 0, version), []byte{})
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		sent := 0
		a := newAsker(func(b []byte, to netip.AddrPort) (int, error) {
			if sent++; sent > 5*3*len(wanted()) || to.Port() != controlPort {
				t.Errorf("packet %d to %s", sent, to)
			}
			return len(b), nil
		}, netip.MustParsePrefix("10.0.0.9/24"))
		for i, from := range []string{"10.0.0.1:49152", "10.0.0.2:49152", "10.0.0.2:5", "10.0.0.1:49152", "[fe80::1]:49152"} {
			for _, b := range [][]byte{first, second, third} {
				a.take(b, netip.MustParseAddrPort(from))
				if found := a.radios(); len(found) > min(i+1, 3) {
					t.Errorf("%d radios", len(found))
				}
			}
		}
		for i, r := range a.radios() {
			if len(r.Serial) > packetSize || len(r.Name) > packetSize || r.Kind == "" {
				t.Errorf("%d: %+v", i, r)
			}
		}
	})
}
