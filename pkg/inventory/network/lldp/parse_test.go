package lldp

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// row makes an LLDPDU of TLVs: type, then value.
func row(tlvs ...string) []byte {
	var b []byte
	for _, t := range tlvs {
		b = tlv(b, int(t[0]), nil, t[1:])
	}
	return b
}

const (
	chassis = "\x01\x04\x00\x1b\x21\x00\x00\x01"
	port    = "\x02\x05Gi1/0/7"
	ttl     = "\x03\x00\x78"
)

func TestParse(t *testing.T) {
	base := PDU{Chassis: ChassisID{ChassisMAC, "\x00\x1b\x21\x00\x00\x01"}, Port: PortID{PortName, "Gi1/0/7"}, TTL: 120}
	with := func(edit func(*PDU)) PDU { p := base; edit(&p); return p }
	for _, test := range []struct {
		name string
		tlvs []string
		tail string // raw
		want PDU
		err  string
	}{
		{name: "least", tlvs: []string{chassis, port, ttl, "\x00"}, want: base},
		{name: "no end", tlvs: []string{chassis, port, ttl}, want: base},
		{name: "padding behind the end", tlvs: []string{chassis, port, ttl, "\x00"}, tail: "\x00\x00\xff\xff", want: base},
		{name: "all", tlvs: []string{chassis, port, ttl, "\x04to node 1", "\x05sw1", "\x06Orbit\r\nswitch\x1b[2J  x",
			"\x07\x00\x14\x00\x04", "\x08\x05\x01\xc0\x00\x02\x01\x02\x00\x00\x00\x07\x00",
			"\x08\x11\x02\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00",
			"\x7f\x00\x80\xc2\x01\x00\x2a", "\x7f\x00\x80\xc2\x03\x00\x2a\x03lab", "\x7f\x00\x80\xc2\x03\x00\x2b\x00",
			"\x7f\x00\x12\x0f\x04\x05\xee", "\x7f\x00\x12\xbb\x01\x00\x00", "\x09reserved", "\x00"},
			want: with(func(p *PDU) {
				p.PortDescription, p.System, p.Description = "to node 1", "sw1", "Orbit switch [2J x"
				p.Capable, p.Enabled = Bridge|Router, Bridge
				p.Addresses = []Address{{1, "\xc0\x00\x02\x01"}, {2, "\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"}}
				p.VLAN, p.VLANs, p.MaxFrame = 42, []VLAN{{42, "lab"}, {43, ""}}, 1518
			})},
		{name: "nonsense is left out", tlvs: []string{chassis, port, ttl, "\x07\x00\x14\x00", "\x08", "\x08\x00", "\x08\x01\x01", "\x08\x21\x01abc",
			"\x7f\x00\x80\xc2", "\x7f\x00\x80\xc2\x01", "\x7f\x00\x80\xc2\x01\x00", "\x7f\x00\x80\xc2\x01\xff\xff", "\x7f\x00\x80\xc2\x03\x00\x2a\x04lab",
			"\x7f\x00\x80\xc2\x03\x00\x00\x03lab", "\x7f\x00\x12\x0f\x04", "\x05" + strings.Repeat("x", 256), "\x00"}, want: base},
		{name: "the first counts", tlvs: []string{chassis, port, ttl, "\x05sw1", "\x05sw2", "\x7f\x00\x80\xc2\x01\x00\x2a", "\x7f\x00\x80\xc2\x01\x00\x2b"},
			want: with(func(p *PDU) { p.System, p.VLAN = "sw1", 42 })},
		{name: "leaving", tlvs: []string{chassis, port, "\x03\x00\x00", "\x00"}, want: with(func(p *PDU) { p.TTL = 0 })},
		{name: "no UTF-8", tlvs: []string{chassis, port, ttl, "\x05caf\xe9 \u202e\u009b1"}, want: with(func(p *PDU) { p.System = "caf? 1" })},

		{name: "nothing", err: "ends in the header of TLV 1"},
		{name: "order", tlvs: []string{port, chassis, ttl}, err: "TLV 1 of LLDPDU is of type 2"},
		{name: "end too early", tlvs: []string{chassis, port, "\x00"}, err: "TLV 3 of LLDPDU is of type 0"},
		{name: "only two", tlvs: []string{chassis, port}, err: "ends in the header of TLV 3"},
		{name: "twice", tlvs: []string{chassis, port, ttl, port}, err: "two TLVs of type 2"},
		{name: "chassis too short", tlvs: []string{"\x01\x04", port, ttl}, err: "chassis ID"},
		{name: "chassis too long", tlvs: []string{"\x01\x04" + strings.Repeat("x", 256), port, ttl}, err: "chassis ID"},
		{name: "port too short", tlvs: []string{chassis, "\x02", ttl}, err: "port ID"},
		{name: "time to live too short", tlvs: []string{chassis, port, "\x03\x00"}, err: "time to live"},
		{name: "cut in a header", tlvs: []string{chassis, port, ttl}, tail: "\x08", err: "ends in the header of TLV 4"},
		{name: "cut in a value", tlvs: []string{chassis, port, ttl}, tail: "\x0a\x04sw1", err: "has 3 bytes of 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(append(row(test.tlvs...), test.tail...))
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("PDU (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			again, err := Parse(got.Append(nil))
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("written and read again: %v\n%s", err, diff)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{ChassisID{ChassisMAC, "\x00\x1b\x21\xab\xcd\xef"}.String(), "00:1b:21:ab:cd:ef"},
		{ChassisID{ChassisMAC, "\x00\x1b"}.String(), "001b"},
		{ChassisID{ChassisAddress, "\x01\xc0\x00\x02\x01"}.String(), "192.0.2.1"},
		{ChassisID{ChassisAddress, "\x02\xc0\x00\x02\x01"}.String(), "c0000201"},
		{ChassisID{ChassisAddress, "\x01"}.String(), "01"},
		{ChassisID{ChassisLocal, "rack 7\x00"}.String(), "rack 7"},
		{ChassisID{1, "\x00\xff\x1b"}.String(), "00ff1b"},
		{ChassisID{}.String(), ""},
		{PortID{PortMAC, "\x00\x1b\x21\xab\xcd\xef"}.String(), "00:1b:21:ab:cd:ef"},
		{PortID{PortAddress, "\x02\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"}.String(), "fd00::7"},
		{PortID{PortName, "Ethernet1/7"}.String(), "Ethernet1/7"},
		{PortID{PortAddress, "x"}.String(), "78"},
		{Address{6, "\x00\x1b\x21\xab\xcd\xef"}.String(), "00:1b:21:ab:cd:ef"},
		{Address{1, ""}.String(), ""},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(row(chassis, port, ttl, "\x00"))
	f.Add(row(chassis, port, ttl, "\x04to node 1", "\x05sw1", "\x06Orbit switch", "\x07\x00\x14\x00\x04",
		"\x08\x05\x01\xc0\x00\x02\x01\x02\x00\x00\x00\x07\x00", "\x7f\x00\x80\xc2\x01\x00\x2a",
		"\x7f\x00\x80\xc2\x03\x00\x2a\x03lab", "\x7f\x00\x12\x0f\x04\x05\xee", "\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		for _, s := range []string{p.Chassis.String(), p.Port.String(), p.System, p.Description, p.PortDescription} {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("control characters in %q", s)
			}
		}
		again, err := Parse(p.Append(nil))
		if diff := cmp.Diff(p, again); err != nil || diff != "" {
			t.Errorf("written and read again: %v\n%s", err, diff)
		}
	})
}

// overCDP is what lldpd sends for a switch with an address, behind LLC and SNAP.
const overCDP = "01044e460001000f7377312e6578616d706c6500020011000000010101cc0004c00002010003000d746f206e6f646520310004000800000018" +
	"000500144f72626974206c616220737769746368000600094c696e7578"

func TestParseCDP(t *testing.T) {
	whole, err := hex.DecodeString(overCDP)
	if err != nil {
		t.Fatal(err)
	}
	want := PDU{Chassis: ChassisID{ChassisLocal, "sw1.example"}, Port: PortID{PortName, "to node 1"}, TTL: 4, System: "sw1.example",
		Description: "Orbit lab switch", Capable: Bridge | Station, Enabled: Bridge | Station, Addresses: []Address{{1, "\xc0\x00\x02\x01"}}, CDP: true}
	got, err := ParseCDP(whole)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	want.VLAN = 42
	want.Addresses = append(want.Addresses, Address{2, "\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"})
	v2 := append([]byte{2, 4, 0, 0}, whole[4:19]...) // version 2, with a native VLAN and IPv6; padded
	v2 = append(v2, "\x00\x02\x00\x2d\x00\x00\x00\x02\x01\x01\xcc\x00\x04\xc0\x00\x02\x01\x02\x08\xaa\xaa\x03\x00\x00\x00\x86\xdd\x00\x10"+
		"\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"...)
	v2 = append(append(v2, whole[36:]...), "\x00\x0a\x00\x06\x00\x2a\x00\x00\x00"...)
	got, err = ParseCDP(v2)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("version 2: error %v (-want +got):\n%s", err, diff)
	}
	for n := range whole {
		p, err := ParseCDP(whole[:n])
		if err == nil && p.Port != want.Port {
			t.Errorf("%d bytes of %d are a packet: %+v", n, len(whole), p)
		}
	}
	for _, bad := range []string{"", "\x03\x04\x00\x00", "\x02\x04\x00\x00\x00\x01\x00\x03", "\x02\x04\x00\x00\x00\x01\x00\x00\x01", "\x02\x04\x00\x00\x00\x01\x00\x06a"} {
		if p, err := ParseCDP([]byte(bad)); err == nil {
			t.Errorf("%q is a packet: %+v", bad, p)
		}
	}
}

func FuzzParseCDP(f *testing.F) {
	whole, err := hex.DecodeString(overCDP)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("\x02\xb4\x00\x00\x00\x01\x00\x05a\x00\x03\x00\x05b\x00\x0a\x00\x06\x00\x2a\x00\x16\x00\x11\x00\x00\x00\x01\x01\x01\xcc\x00\x04\xc0\x00\x02\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseCDP(b)
		if err == nil && (!p.CDP || p.Chassis.Value == "" || p.VLAN < 0 || p.VLAN > 4094) {
			t.Errorf("read %+v", p)
		}
	})
}
