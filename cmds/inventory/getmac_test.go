package main

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

func TestGetmac(t *testing.T) {
	const route = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	two := map[string]string{
		"sys/class/net/lo/address":   "00:00:00:00:00:00\n",
		"sys/class/net/br0/address":  "52:54:00:00:00:B0\n",
		"sys/class/net/eth0/address": "52:54:00:00:00:0a\n", "sys/class/net/eth0/device": "->/",
		"sys/class/net/eth1/address": "52:54:00:00:00:0b\n", "sys/class/net/eth1/device": "->/",
	}
	with := func(more ...string) map[string]string {
		m := maps.Clone(two)
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	one := with()
	delete(one, "sys/class/net/eth1/address")
	delete(one, "sys/class/net/eth1/device")
	for _, test := range []struct {
		name  string
		files map[string]string
		args  string
		want  string // or a part of the error
	}{
		{"named", two, "eth1", "52:54:00:00:00:0b"},
		{"a bridge", two, "br0", "52:54:00:00:00:b0"},
		{"in a bond", with("sys/class/net/eth1/bonding_slave/perm_hwaddr", "52:54:00:00:00:0c\n"), "eth1", "52:54:00:00:00:0c"},
		{"without an address", two, "lo", "interface lo has no MAC address"},
		{"none of this name", two, "eth7", `there is no interface "eth7" (there are: br0, eth0, eth1, lo)`},
		{"a way out", two, "../../class/net/eth1", "there is no interface"},
		{"nothing", two, " ", "neither BOOTIF= on the kernel's command line nor a default route (name one: eth0, eth1)"},
		{"the only one", one, " ", "52:54:00:00:00:0a"},
		{"the only one with a carrier", with("sys/class/net/eth1/carrier", "1\n", "sys/class/net/eth0/carrier", "0\n"), " ", "52:54:00:00:00:0b"},
		{"no machine", nil, " ", "no network interface with hardware"},
		{"BOOTIF", with("proc/cmdline", "quiet BOOTIF=01-52-54-00-00-00-0B\n", "proc/net/route", route+"eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"), " ", "52:54:00:00:00:0b"},
		{"routes", with("proc/net/route", route+
			"eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"+
			"br0\t00000000\t0100A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"+
			"eth0\t00000000\t0100A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"+ // down
			"eth1\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\nshort\n"), " ", "52:54:00:00:00:0b"},
		{"a route of IPv6", with("proc/net/ipv6_route",
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"+
				"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n"), " ", "52:54:00:00:00:0b"},
	} {
		var out bytes.Buffer
		err := getmac(tree(t, test.files), &out, strings.Fields(test.args))
		if err == nil && out.String() != test.want+"\n" || err != nil && (!strings.Contains(err.Error(), test.want) || out.Len() > 0) {
			t.Errorf("%s: %q, %v, want %q", test.name, out.String(), err, test.want)
		}
	}
}

// TestGetmacByName runs it as it is installed, and as the initramfs does.
func TestGetmacByName(t *testing.T) {
	for _, args := range [][]string{{"/bin/getmac", "none0"}, {"inventory", "getmac", "none0"}} {
		out, errs, code := command(t, args[0], args[1:]...)
		if out != "" || code != 1 || !strings.HasPrefix(errs, `getmac: there is no interface "none0"`) {
			t.Errorf("%q: code %d\n%s%s", args, code, out, errs)
		}
	}
	if out, _, code := command(t, "getmac", "a", "b"); code != 2 || out != "" {
		t.Errorf("two names: code %d, %s", code, out)
	}
	if out, _, code := command(t, "getmac", "--help"); code != 0 || !strings.Contains(out, "usage: getmac [INTERFACE]") {
		t.Errorf("help: code %d, %s", code, out)
	}
}
