package dhcp

import (
	"net/netip"
	"testing"
)

func TestParseNetwork(t *testing.T) {
	own := netip.MustParsePrefix("10.0.0.1/24")
	for _, test := range []struct{ text, want string }{
		{"10.0.0.100-10.0.0.200", "10.0.0.0/24 10.0.0.100-10.0.0.200 10.0.0.255"},
		{"10.0.0.5-10.0.0.5", "10.0.0.0/24 10.0.0.5-10.0.0.5 10.0.0.255"},
		{"10.1.0.10-10.1.3.99/22", "10.1.0.0/22 10.1.0.10-10.1.3.99 10.1.3.255"},
		{"10.1.0.10-10.1.0.20", ""},
		{"10.0.0.20-10.0.0.10", ""},
		{"10.0.0.20", ""},
		{"10.0.0.20-x", ""},
		{"fe80::1-fe80::2", ""},
		{"10.1.0.10-10.1.0.20/33", ""},
		{"10.1.0.10-10.1.1.20/24", ""},
	} {
		n, err := ParseNetwork(test.text, own)
		got := ""
		if err == nil {
			got = n.Prefix.String() + " " + n.First.String() + "-" + n.Last.String() + " " + n.broadcast().String()
		}
		if got != test.want {
			t.Errorf("%s: %q (%v), want %q", test.text, got, err, test.want)
		}
	}
}

func TestDefaultNetwork(t *testing.T) {
	for _, test := range []struct{ own, want string }{
		{"10.0.0.1/24", "10.0.0.2-10.0.0.254"},
		{"10.0.0.254/24", "10.0.0.1-10.0.0.253"},
		{"10.0.0.100/24", "10.0.0.101-10.0.0.254"},
		{"192.168.1.1/29", "192.168.1.2-192.168.1.6"},
		{"192.168.1.1/30", ""},
	} {
		n, err := DefaultNetwork(netip.MustParsePrefix(test.own))
		got := ""
		if err == nil {
			got = n.First.String() + "-" + n.Last.String()
		}
		if got != test.want {
			t.Errorf("%s: %q (%v), want %q", test.own, got, err, test.want)
		}
	}
}
