package nl80211

import (
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// attr is an attribute with a value made of parts: bytes, numbers or further
// attributes.
func attr(kind int, parts ...any) string {
	value := ""
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			value += p
		case int:
			value += string(binary.NativeEndian.AppendUint32(nil, uint32(p)))
		}
	}
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, uint16(kind))
	return string(b) + value + strings.Repeat("\x00", -len(value)&3)
}

func msg(attrs ...string) []byte {
	return []byte("\x03\x01\x00\x00" + strings.Join(attrs, ""))
}

// wiphy begins every message about a device.
func wiphy(index int, name string, more ...string) []byte {
	return msg(append([]string{attr(unix.NL80211_ATTR_WIPHY, index), attr(unix.NL80211_ATTR_WIPHY_NAME, name+"\x00"), attr(0x2e, 5)}, more...)...)
}

func bandOf(kind int, more ...string) string {
	return attr(unix.NL80211_ATTR_WIPHY_BANDS, attr(kind, strings.Join(more, "")))
}

func channel(n, mhz int, more ...string) string {
	return attr(unix.NL80211_BAND_ATTR_FREQS, attr(n, attr(unix.NL80211_FREQUENCY_ATTR_FREQ, mhz), attr(unix.NL80211_FREQUENCY_ATTR_OFFSET, 0), strings.Join(more, "")))
}

// dump is what a kernel says of a card for three bands, in the pieces in which
// it does, and of one that is for 900 MHz; with what it says besides.
func dump() [][]byte {
	const (
		disabled = unix.NL80211_FREQUENCY_ATTR_DISABLED
		noIR     = unix.NL80211_FREQUENCY_ATTR_NO_IR
		radar    = unix.NL80211_FREQUENCY_ATTR_RADAR
		power    = unix.NL80211_FREQUENCY_ATTR_MAX_TX_POWER
		ht       = unix.NL80211_BAND_ATTR_HT_CAPA
		vht      = unix.NL80211_BAND_ATTR_VHT_CAPA
		kinds    = unix.NL80211_BAND_ATTR_IFTYPE_DATA
		he       = unix.NL80211_BAND_IFTYPE_ATTR_HE_CAP_PHY
		eht      = unix.NL80211_BAND_IFTYPE_ATTR_EHT_CAP_PHY
		rates    = unix.NL80211_BAND_ATTR_RATES
		nested   = unix.NLA_F_NESTED
	)
	return [][]byte{
		wiphy(0, "phy0", attr(0x3d, "\x07")),
		wiphy(0, "phy0", attr(unix.NL80211_ATTR_WIPHY_ANTENNA_AVAIL_TX, 3), attr(unix.NL80211_ATTR_WIPHY_ANTENNA_AVAIL_RX, 7)),
		wiphy(0, "phy0", attr(unix.NL80211_ATTR_SUPPORTED_IFTYPES|nested, attr(1), attr(2), attr(3), attr(6), attr(10), attr(14))),
		wiphy(0, "phy0", bandOf(0, attr(ht, "\xef\x19"), attr(rates, attr(0, attr(1, 10))))),
		wiphy(0, "phy0", bandOf(0, channel(0, 2412, attr(power, 2000)))),
		wiphy(0, "phy0", bandOf(0, channel(12, 2472, attr(noIR), attr(power, 2000)))),
		wiphy(0, "phy0", bandOf(0, channel(13, 2484, attr(disabled)))),
		wiphy(1, "phy1", bandOf(4, channel(0, 902, attr(unix.NL80211_FREQUENCY_ATTR_OFFSET, 500)))),
		wiphy(0, "phy0", bandOf(1, attr(ht, "\xef\x19"), attr(vht, 1), attr(kinds, attr(1, attr(1, attr(2)), attr(he, "x"))))),
		wiphy(0, "phy0", bandOf(1, channel(0, 5180, attr(power, 2300)))),
		wiphy(0, "phy0", bandOf(1, channel(4, 5260, attr(radar), attr(noIR), attr(power, 2000)))),
		wiphy(0, "phy0", bandOf(1, channel(4, 5260, attr(radar)))), // once more: the first counts
		wiphy(0, "phy0", bandOf(3, attr(kinds, attr(1, attr(he, "x"), attr(eht, "x"))))),
		wiphy(0, "phy0", bandOf(3, channel(0, 5955))),
		wiphy(0, "phy0", attr(0x32, attr(1, 1))),
	}
}

func TestParse(t *testing.T) {
	want := []Phy{
		{Index: 0, Name: "phy0", Modes: []string{"IBSS", "station", "AP", "monitor", "P2P device"}, Antennas: &hardware.Antennas{TX: 3, RX: 7}, Bands: []hardware.Band{
			{ID: "2.4 GHz", HT: true, Channels: []hardware.Channel{
				{ID: "1", MHz: 2412, Power: 2000}, {ID: "13", MHz: 2472, Power: 2000, NoIR: true}, {ID: "14", MHz: 2484, Disabled: true}}},
			{ID: "5 GHz", HT: true, VHT: true, HE: true, Channels: []hardware.Channel{
				{ID: "36", MHz: 5180, Power: 2300}, {ID: "52", MHz: 5260, Power: 2000, NoIR: true, Radar: true}}},
			{ID: "6 GHz", HE: true, EHT: true, Channels: []hardware.Channel{{ID: "1", MHz: 5955}}},
		}},
		{Index: 1, Name: "phy1", Bands: []hardware.Band{{ID: "900 MHz", Channels: []hardware.Channel{{ID: "902.500 MHz", MHz: 902}}}}},
	}
	got, err := Parse(dump())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}

	// One message that is cut off costs what it had, and is told.
	cut := dump()
	cut[4] = cut[4][:len(cut[4])-4]
	got, err = Parse(cut)
	want[0].Bands[0].Channels = want[0].Bands[0].Channels[1:]
	if err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("error %v for a message that is cut off", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "\x03\x01\x00", "\x03\x01\x00\x00\x03\x00\x01\x00", "\x03\x01\x00\x00\x04\x00", "\x03\x01\x00\x00\x09\x00\x01\x00\x00\x00\x00\x00"} {
		if got, err := Parse([][]byte{[]byte(bad)}); len(got) != 0 || err == nil {
			t.Errorf("%q gives %v, %v", bad, got, err)
		}
	}
	if got, err := Parse([][]byte{msg(attr(1, "\x00"))}); len(got) != 1 || err != nil { // shorter than a number
		t.Errorf("%v, %v", got, err)
	}
}

func TestChannels(t *testing.T) {
	for _, test := range []struct {
		band, mhz, khz int
		want           string
	}{
		{0, 2412, 0, "1"}, {0, 2472, 0, "13"}, {0, 2484, 0, "14"}, {0, 2500, 0, "2500 MHz"}, {1, 5180, 0, "36"}, {1, 5885, 0, "177"},
		{1, 4920, 0, "184"}, {3, 5935, 0, "2"}, {3, 5955, 0, "1"}, {3, 7115, 0, "233"}, {2, 58320, 0, "1"}, {2, 69120, 0, "6"},
		{4, 902, 500, "902.500 MHz"}, {4, 903, 50, "903.050 MHz"}, {4, 903, 0, "903 MHz"}, {9, -1, -7, "-1 MHz"},
	} {
		if got := channelID(test.band, test.mhz, test.khz); got != test.want {
			t.Errorf("channel of %d MHz in band %d is %q, want %q", test.mhz, test.band, got, test.want)
		}
	}
}

func TestDomains(t *testing.T) {
	alpha := func(s string) string { return attr(unix.NL80211_ATTR_REG_ALPHA2, s+"\x00") }
	d, err := ParseDomains([][]byte{
		msg(alpha("DE")), msg(alpha("00"), attr(unix.NL80211_ATTR_WIPHY, 1)), msg(alpha("U\x1b"), attr(unix.NL80211_ATTR_WIPHY, 2)), msg(alpha("FR")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := [...]string{d.Of(0), d.Of(1), d.Of(2)}; got != [...]string{"DE", "00", "DE"} {
		t.Errorf("domains %q", got)
	}
	if d, err := ParseDomains([][]byte{msg(alpha("DE")), []byte("\x1f")}); err == nil || d.Of(0) != "DE" {
		t.Errorf("%v, %v", d, err)
	}
}

// TestDump asks this machine's kernel, and one with simulated radios if it has
// the module.
func TestDump(t *testing.T) {
	phys, err := Dump()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to load mac80211_hwsim")
	}
	if _, err := os.Stat("/sys/module/mac80211_hwsim"); err == nil {
		t.Skip("mac80211_hwsim is loaded already, and may be in use")
	}
	if out, err := exec.Command("modprobe", "mac80211_hwsim", "radios=2").CombinedOutput(); err != nil {
		if len(phys) > 0 {
			t.Logf("this machine has %+v", phys)
		}
		t.Skipf("this kernel has no mac80211_hwsim: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("modprobe", "-r", "mac80211_hwsim").Run() })
	all, err := Dump()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(phys)+2 {
		t.Fatalf("two radios more than %d are %d", len(phys), len(all))
	}
	last := all[len(all)-1]
	if len(last.Bands) < 2 || len(last.Bands[0].Channels) != 14 || last.Bands[0].ID != "2.4 GHz" || !last.Bands[0].HT || last.Domain == "" || last.Name == "" {
		t.Errorf("a simulated radio is %+v", last)
	}
}

func FuzzParse(f *testing.F) {
	pack := func(messages [][]byte) (b []byte) {
		for _, m := range messages {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(m))), m...)
		}
		return b
	}
	f.Add(pack(dump()))
	f.Add(pack([][]byte{wiphy(0, "phy0", bandOf(0, channel(0, 2412)))}))
	f.Add(pack([][]byte{msg(attr(unix.NL80211_ATTR_REG_ALPHA2, "DE\x00"))}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var messages [][]byte
		for len(b) >= 2 {
			n := min(int(binary.LittleEndian.Uint16(b)), len(b)-2)
			messages = append(messages, b[2:2+n])
			b = b[2+n:]
		}
		phys, _ := Parse(messages)
		if len(phys) > len(messages) {
			t.Errorf("%d devices in %d messages", len(phys), len(messages))
		}
		d, _ := ParseDomains(messages)
		for _, p := range phys {
			if s := d.Of(p.Index); s != "" && len(s) != 2 {
				t.Errorf("domain %q", s)
			}
		}
	})
}
