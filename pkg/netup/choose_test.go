package netup

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	t0 := time.Unix(1000, 0)
	g := grace{boot: 10 * time.Second, family: 5 * time.Second}
	make := func(name, mac string, v6 bool, after time.Duration) *offer {
		o := &offer{v6: v6, at: t0.Add(after)}
		o.Interface, o.MAC = name, mac
		return o
	}
	boot4, boot6 := make("boot4", macB, false, 3*time.Second), make("boot6", macB, true, 0)
	other4, other6 := make("other4", macA, false, 0), make("other6", macA, true, 0)
	for _, test := range []struct {
		name   string
		offers []*offer
		boot   string
		now    time.Duration
		want   string
		again  time.Duration // after t0; only where nothing is chosen
	}{
		{"nothing", nil, macB, 0, "", 0},
		{"first v4 at once without preference", []*offer{other4}, "", 0, "other4", 0},
		{"v6 waits for v4", []*offer{other6}, "", 0, "", 5 * time.Second},
		{"v6 after its grace", []*offer{other6}, "", 5 * time.Second, "other6", 0},
		{"other waits for boot", []*offer{other4}, macB, 9 * time.Second, "", 10 * time.Second},
		{"other after its grace", []*offer{other4}, macB, 10 * time.Second, "other4", 0},
		{"boot before other", []*offer{other4, boot4}, macB, 3 * time.Second, "boot4", 0},
		{"boot v6 before other v4", []*offer{other4, boot6}, macB, 5 * time.Second, "boot6", 0},
		{"v4 of the two when both are due", []*offer{boot6, boot4}, macB, 20 * time.Second, "boot4", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, again := choose(t0.Add(test.now), test.offers, test.boot, g)
			name := ""
			if got != nil {
				name = got.Interface
			}
			if name != test.want {
				t.Errorf("chose %q, want %q", name, test.want)
			}
			if want := test.again; want != 0 && again != t0.Add(want) {
				t.Errorf("ask again at %v, want %v", again.Sub(t0), want)
			}
		})
	}
}

func TestParseIP(t *testing.T) {
	for _, test := range []struct {
		value, want string // network in words, "" = DHCP
		bad         bool
	}{
		{value: ""},
		{value: "dhcp"},
		{value: "eth0:dhcp"},
		{value: ":::::eth0:dhcp"},
		{value: "10.0.0.2::10.0.0.1:255.255.252.0:n1:eth0:none", want: "eth0 10.0.0.2/22 gateway 10.0.0.1"},
		{value: "10.0.0.2:::24::eth0:off:9000", want: "eth0 10.0.0.2/24"},
		{value: "[fd00::2]::[fd00::1]:64::eth0:none:[fd00::53]:10.0.0.53", want: "eth0 fd00::2/64 gateway fd00::1 dns fd00::53,10.0.0.53"},
		{value: "10.0.0.2", bad: true},
		{value: "10.0.0.999::10.0.0.1:24::eth0:none", bad: true},
		{value: "10.0.0.2::10.0.0.1:255.0.255.0::eth0:none", bad: true},
		{value: "10.0.0.2::10.0.0.1:33::eth0:none", bad: true},
		{value: "10.0.0.2::gw:24::eth0:none", bad: true},
		{value: "10.0.0.2::10.0.0.1:24::eth0:dhcp", bad: true},
		{value: "10.0.0.2::10.0.0.1:24::eth0:none:banana", bad: true},
	} {
		t.Run(test.value, func(t *testing.T) {
			f, err := parseIP(test.value)
			if (err != nil) != test.bad {
				t.Fatalf("error %v, want one: %v", err, test.bad)
			}
			got := ""
			if f != nil {
				o := f.offer()
				o.Interface = f.ifname
				got = o.Network.String()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzParseIP(f *testing.F) {
	f.Add("10.0.0.2::10.0.0.1:255.255.252.0:n1:eth0:none")
	f.Add("[fd00::2]::[fd00::1]:64::eth0:none")
	f.Add("]]:[[")
	f.Fuzz(func(t *testing.T, value string) {
		fixed, err := parseIP(value)
		if err == nil && fixed != nil && !fixed.addr.IsValid() {
			t.Errorf("parseIP(%q) accepted an address that is none", value)
		}
	})
}

func TestRoutesOrder(t *testing.T) {
	p, a := netip.MustParsePrefix, netip.MustParseAddr
	o := &offer{extra: []route{{p("192.0.2.0/24"), a("10.0.0.9")}, {p("10.0.0.9/32"), netip.Addr{}}}}
	o.Addr, o.Gateway = p("10.0.0.2/32"), a("10.0.0.1")
	var got []string
	for _, r := range o.routes() {
		got = append(got, r.to.String()+" "+r.via.String())
	}
	want := []string{"10.0.0.1/32 invalid IP", "10.0.0.9/32 invalid IP", "0.0.0.0/0 10.0.0.1", "192.0.2.0/24 10.0.0.9"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}
