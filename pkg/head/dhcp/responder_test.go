package dhcp

import (
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/orbit-pxe/orbit/pkg/head/boot"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func testMAC(n byte) net.HardwareAddr { return net.HardwareAddr{0x52, 0x54, 0, 0, 0, n} }

// server is a responder for 10.0.0.0/24 with three addresses and a relayed
// subnet.
func server(t testing.TB, change func(*Config)) *responder {
	t.Helper()
	c := Config{
		Address: netip.MustParseAddr("10.0.0.1"),
		Boot:    boot.Policy{Head: "http://10.0.0.1:8080", EFI: boot.SnpEFI},
		Networks: []Network{
			{Prefix: netip.MustParsePrefix("10.0.0.0/24"), First: netip.MustParseAddr("10.0.0.10"), Last: netip.MustParseAddr("10.0.0.12")},
			{Prefix: netip.MustParsePrefix("10.1.0.0/24"), First: netip.MustParseAddr("10.1.0.10"), Last: netip.MustParseAddr("10.1.0.12")},
		},
		DNS: []netip.Addr{netip.MustParseAddr("10.0.0.53")}, NTP: []netip.Addr{netip.MustParseAddr("10.0.0.123")},
		Domain: "lab.example", Lease: time.Hour,
		Reservations: []Reservation{{testMAC(99).String(), netip.MustParseAddr("10.0.0.12"), "node99"}},
		LeaseFile:    filepath.Join(t.TempDir(), "leases.json"),
	}
	if change != nil {
		change(&c)
	}
	r := &responder{Config: c, log: slog.New(slog.DiscardHandler)}
	if !c.Proxy {
		leases, err := OpenLeases(c.LeaseFile, c.Reservations, c.Address)
		if err != nil {
			t.Fatal(err)
		}
		r.leases = leases
	}
	return r
}

// packet is a request as the server sees it after the wire.
func packet(t testing.TB, mac net.HardwareAddr, kind dhcpv4.MessageType, change ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(kind)}, change...)...)
	if err == nil {
		m, err = dhcpv4.FromBytes(m.ToBytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wants(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
}

func from(server string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(server)))
}

func has(ip string) dhcpv4.Modifier { return dhcpv4.WithClientIP(net.ParseIP(ip)) }

func relay(ip string) dhcpv4.Modifier { return dhcpv4.WithGatewayIP(net.ParseIP(ip)) }

// lease takes a client through DISCOVER and REQUEST and returns the ACK.
func lease(t testing.TB, r *responder, mac net.HardwareAddr, now time.Time, change ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	offer := r.reply(packet(t, mac, dhcpv4.MessageTypeDiscover, change...), serverPort, now)
	if offer == nil || offer.MessageType() != dhcpv4.MessageTypeOffer {
		t.Fatalf("no offer for %s: %v", mac, offer)
	}
	ack := r.reply(packet(t, mac, dhcpv4.MessageTypeRequest, append(change, wants(offer.YourIPAddr.String()), from("10.0.0.1"))...), serverPort, now)
	if ack == nil || ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.Equal(offer.YourIPAddr) {
		t.Fatalf("offer of %s to %s not confirmed: %v", offer.YourIPAddr, mac, ack)
	}
	return ack
}

func TestLeaseTellsTheNetwork(t *testing.T) {
	r := server(t, nil)
	ack := lease(t, r, testMAC(1), noon, dhcpv4.WithOption(dhcpv4.OptHostName("box")))
	got := map[string]string{
		"address":   ack.YourIPAddr.String(),
		"server":    ack.ServerIdentifier().String(),
		"mask":      net.IP(ack.SubnetMask()).String(),
		"broadcast": ack.BroadcastAddress().String(),
		"dns":       ack.DNS()[0].String(),
		"ntp":       ack.NTPServers()[0].String(),
		"domain":    ack.DomainName(),
		"host":      ack.HostName(),
		"lease":     ack.IPAddressLeaseTime(0).String(),
		"renew":     ack.IPAddressRenewalTime(0).String(),
		"rebind":    ack.IPAddressRebindingTime(0).String(),
		"file":      ack.BootFileName,
		"head":      string(ack.Options.Get(optionHead)),
	}
	want := map[string]string{
		"address": "10.0.0.10", "server": "10.0.0.1", "mask": "255.255.255.0", "broadcast": "10.0.0.255",
		"dns": "10.0.0.53", "ntp": "10.0.0.123", "domain": "lab.example", "host": "box",
		"lease": "1h0m0s", "renew": "30m0s", "rebind": "52m30s", "file": "", "head": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lease (-want +got):\n%s", diff)
	}
	if len(ack.Router()) != 0 {
		t.Errorf("router %v announced, none is configured", ack.Router())
	}
	agent := lease(t, r, testMAC(2), noon, dhcpv4.WithOption(dhcpv4.OptClassIdentifier(boot.AgentClass)))
	if got := string(agent.Options.Get(optionHead)); got != "http://10.0.0.1:8080" {
		t.Errorf("head told to the agent: %q", got)
	}
}

// TestConversations plays packets against one server; each step names the
// reply it wants: "" for silence, else type and address.
func TestConversations(t *testing.T) {
	const (
		discover = dhcpv4.MessageTypeDiscover
		request  = dhcpv4.MessageTypeRequest
		decline  = dhcpv4.MessageTypeDecline
		release  = dhcpv4.MessageTypeRelease
		inform   = dhcpv4.MessageTypeInform
	)
	type step struct {
		node  byte
		kind  dhcpv4.MessageType
		opts  []dhcpv4.Modifier
		after time.Duration // since noon
		want  string
	}
	opts := func(m ...dhcpv4.Modifier) []dhcpv4.Modifier { return m }
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"same address for a MAC through firmware, iPXE and system", []step{
			{1, discover, opts(dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte{0, 1, 2, 3}))), 0, "OFFER 10.0.0.10"},
			{1, request, opts(wants("10.0.0.10"), from("10.0.0.1")), 0, "ACK 10.0.0.10"},
			{1, discover, opts(dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte{1, 9, 9}))), time.Minute, "OFFER 10.0.0.10"},
			{2, discover, nil, time.Minute, "OFFER 10.0.0.11"},
			{1, discover, nil, 48 * time.Hour, "OFFER 10.0.0.10"},
		}},
		{"wish granted if free", []step{
			{1, discover, opts(wants("10.0.0.11")), 0, "OFFER 10.0.0.11"},
			{2, discover, opts(wants("10.0.0.11")), 0, "OFFER 10.0.0.10"},
			{3, discover, opts(wants("10.9.9.9")), 2 * time.Hour, "OFFER 10.0.0.10"},
		}},
		{"reservation", []step{
			{1, discover, opts(wants("10.0.0.12")), 0, "OFFER 10.0.0.10"},
			{99, discover, nil, 0, "OFFER 10.0.0.12"},
			{99, request, opts(wants("10.0.0.10"), from("10.0.0.1")), 0, "NAK 0.0.0.0"},
			{99, request, opts(wants("10.0.0.12"), from("10.0.0.1")), 0, "ACK 10.0.0.12"},
		}},
		{"range exhausted, then reused after expiry", []step{
			{1, discover, nil, 0, "OFFER 10.0.0.10"},
			{1, request, opts(wants("10.0.0.10"), from("10.0.0.1")), 0, "ACK 10.0.0.10"},
			{2, discover, nil, 0, "OFFER 10.0.0.11"},
			{2, request, opts(wants("10.0.0.11"), from("10.0.0.1")), time.Second, "ACK 10.0.0.11"},
			{3, discover, nil, 0, ""},
			{3, discover, nil, 2 * time.Hour, "OFFER 10.0.0.10"},
		}},
		{"an offer nobody took is free again", []step{
			{1, discover, nil, 0, "OFFER 10.0.0.10"},
			{2, discover, nil, 0, "OFFER 10.0.0.11"},
			{3, discover, nil, 0, ""},
			{3, discover, nil, 2 * time.Minute, "OFFER 10.0.0.10"},
		}},
		{"after reboot, a known address", []step{
			{1, request, opts(wants("10.0.0.11")), 0, "ACK 10.0.0.11"},
			{1, request, opts(wants("10.0.0.11")), time.Hour, "ACK 10.0.0.11"},
		}},
		{"after reboot on another network", []step{
			{1, request, opts(wants("192.168.7.7")), 0, "NAK 0.0.0.0"},
		}},
		{"after reboot, an address now another's", []step{
			{1, request, opts(wants("10.0.0.11")), 0, "ACK 10.0.0.11"},
			{2, request, opts(wants("10.0.0.11")), 0, "NAK 0.0.0.0"},
		}},
		{"the head's own address is never given", []step{
			{1, request, opts(wants("10.0.0.1")), 0, "NAK 0.0.0.0"},
		}},
		{"renew", []step{
			{1, request, opts(wants("10.0.0.11")), 0, "ACK 10.0.0.11"},
			{1, request, opts(has("10.0.0.11")), 30 * time.Minute, "ACK 10.0.0.11"},
			{2, request, opts(wants("10.0.0.11")), 80 * time.Minute, "NAK 0.0.0.0"},
		}},
		{"another server chosen", []step{
			{1, discover, nil, 0, "OFFER 10.0.0.10"},
			{1, request, opts(wants("10.0.0.50"), from("10.0.0.2")), 0, ""},
		}},
		{"decline", []step{
			{1, discover, nil, 0, "OFFER 10.0.0.10"},
			{1, request, opts(wants("10.0.0.10"), from("10.0.0.1")), 0, "ACK 10.0.0.10"},
			{2, decline, opts(wants("10.0.0.10"), from("10.0.0.1")), 0, ""}, // not its own: no effect
			{1, discover, nil, 0, "OFFER 10.0.0.10"},
			{1, decline, opts(wants("10.0.0.10"), from("10.0.0.1")), 0, ""},
			{1, discover, nil, 0, "OFFER 10.0.0.11"},
			{2, discover, nil, 11 * time.Minute, "OFFER 10.0.0.10"},
		}},
		{"release", []step{
			{1, request, opts(wants("10.0.0.10")), 0, "ACK 10.0.0.10"},
			{2, request, opts(wants("10.0.0.10")), time.Minute, "NAK 0.0.0.0"},
			{1, release, opts(has("10.0.0.10"), from("10.0.0.1")), time.Minute, ""},
			{2, request, opts(wants("10.0.0.10")), time.Minute, "ACK 10.0.0.10"},
		}},
		{"inform", []step{
			{1, inform, opts(has("10.0.0.200")), 0, "ACK 0.0.0.0"},
		}},
		{"relay", []step{
			{1, discover, opts(relay("10.1.0.1")), 0, "OFFER 10.1.0.10"},
			{1, request, opts(relay("10.1.0.1"), wants("10.1.0.10"), from("10.0.0.1")), 0, "ACK 10.1.0.10"},
			{2, discover, opts(relay("10.2.0.1")), 0, ""},
			{99, discover, opts(relay("10.1.0.1")), 0, "OFFER 10.1.0.11"}, // its reservation is elsewhere
		}},
		{"no message type", []step{{1, dhcpv4.MessageTypeNone, nil, 0, ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := server(t, nil)
			for i, s := range test.steps {
				reply := r.reply(packet(t, testMAC(s.node), s.kind, s.opts...), serverPort, noon.Add(s.after))
				got := ""
				if reply != nil {
					got = reply.MessageType().String() + " " + reply.YourIPAddr.String()
				}
				if got != s.want {
					t.Fatalf("step %d: %q, want %q", i+1, got, s.want)
				}
			}
		})
	}
}

func TestRelayIsRouterAndHearsItsOwnWords(t *testing.T) {
	r := server(t, nil)
	words := []byte{1, 4, 'p', 'o', 'r', 't'}
	ack := lease(t, r, testMAC(1), noon, relay("10.1.0.1"), dhcpv4.WithGeneric(dhcpv4.OptionRelayAgentInformation, words))
	if got := ack.Router(); len(got) != 1 || !got[0].Equal(net.IPv4(10, 1, 0, 1)) {
		t.Errorf("router %v", got)
	}
	if got := ack.Options.Get(dhcpv4.OptionRelayAgentInformation); !slices.Equal(got, words) {
		t.Errorf("option 82 % x, want % x", got, words)
	}
	if !ack.GatewayIPAddr.Equal(net.IPv4(10, 1, 0, 1)) {
		t.Errorf("giaddr %s", ack.GatewayIPAddr)
	}
}

func TestLeasesSurviveRestart(t *testing.T) {
	r := server(t, nil)
	first := lease(t, r, testMAC(1), noon).YourIPAddr
	second := lease(t, r, testMAC(2), noon).YourIPAddr
	again := server(t, func(c *Config) { c.LeaseFile = r.LeaseFile })
	if got := lease(t, again, testMAC(2), noon.Add(time.Minute)).YourIPAddr; !got.Equal(second) {
		t.Errorf("node 2 has %s after a restart, had %s", got, second)
	}
	if reply := again.reply(packet(t, testMAC(3), dhcpv4.MessageTypeRequest, wants(first.String())), serverPort, noon.Add(time.Minute)); reply.MessageType() != dhcpv4.MessageTypeNak {
		t.Errorf("address of node 1 given away after a restart: %v", reply)
	}
}

func TestProxyOffersOnlyBoot(t *testing.T) {
	uuid := append([]byte{0}, slices.Repeat([]byte{0xab}, 16)...)
	withUUID := dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, uuid))
	pxe := func(arch uint16) []dhcpv4.Modifier {
		return []dhcpv4.Modifier{withUUID, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient")),
			dhcpv4.WithGeneric(dhcpv4.OptionClientSystemArchitectureType, []byte{byte(arch >> 8), byte(arch)})}
	}
	ipxe := append(pxe(0), dhcpv4.WithGeneric(dhcpv4.OptionUserClassInformation, []byte("iPXE")))
	http := []dhcpv4.Modifier{withUUID, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("HTTPClient:Arch:00016")),
		dhcpv4.WithGeneric(dhcpv4.OptionClientSystemArchitectureType, []byte{0, 16})}
	agent := []dhcpv4.Modifier{has("10.0.0.77"), dhcpv4.WithOption(dhcpv4.OptClassIdentifier(boot.AgentClass))}
	type answer struct{ Type, File, Class, Vendor, Head string }
	for _, test := range []struct {
		name string
		kind dhcpv4.MessageType
		port int
		opts []dhcpv4.Modifier
		want *answer
	}{
		{"BIOS takes the file of the offer", dhcpv4.MessageTypeDiscover, serverPort, pxe(0), &answer{"OFFER", "undionly.kpxe", "PXEClient", "\x06\x01\x08\xff", ""}},
		{"UEFI is to ask again", dhcpv4.MessageTypeDiscover, serverPort, pxe(7), &answer{"OFFER", "snponly.efi", "PXEClient", "", ""}},
		{"UEFI asks again", dhcpv4.MessageTypeRequest, binlPort, pxe(7), &answer{"ACK", "snponly.efi", "PXEClient", "", ""}},
		{"iPXE", dhcpv4.MessageTypeDiscover, serverPort, ipxe, &answer{"OFFER", "http://10.0.0.1:8080/boot/ipxe?mac=52:54:00:00:00:01", "PXEClient", "", ""}},
		{"UEFI HTTP", dhcpv4.MessageTypeDiscover, serverPort, http, &answer{"OFFER", "http://10.0.0.1:8080/boot/snponly.efi", "HTTPClient", "", ""}},
		{"system", dhcpv4.MessageTypeDiscover, serverPort, nil, nil},
		{"ARM", dhcpv4.MessageTypeDiscover, serverPort, pxe(11), nil},
		{"request to the other server", dhcpv4.MessageTypeRequest, serverPort, pxe(0), nil},
		{"discover on 4011", dhcpv4.MessageTypeDiscover, binlPort, pxe(0), nil},
		{"agent looks for the head", dhcpv4.MessageTypeInform, serverPort, agent, &answer{"ACK", "", "", "", "http://10.0.0.1:8080"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := server(t, func(c *Config) { c.Proxy = true })
			reply := r.reply(packet(t, testMAC(1), test.kind, test.opts...), test.port, noon)
			var got *answer
			if reply != nil {
				got = &answer{reply.MessageType().String(), reply.BootFileNameOption(), reply.ClassIdentifier(),
					string(reply.Options.Get(dhcpv4.OptionVendorSpecificInformation)), string(reply.Options.Get(optionHead))}
				if !reply.YourIPAddr.IsUnspecified() || reply.IPAddressLeaseTime(0) != 0 {
					t.Errorf("proxy gives out an address: %s", reply.Summary())
				}
				if got.File != "" && (!reply.ServerIPAddr.Equal(net.IPv4(10, 0, 0, 1)) || string(reply.Options.Get(dhcpv4.OptionClientMachineIdentifier)) != string(uuid)) {
					t.Errorf("next server %s, uuid %x", reply.ServerIPAddr, reply.Options.Get(dhcpv4.OptionClientMachineIdentifier))
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("reply (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDestination(t *testing.T) {
	sender := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 77), Port: 2070}
	nobody := &net.UDPAddr{IP: net.IPv4zero, Port: 68}
	for _, test := range []struct {
		name string
		opts []dhcpv4.Modifier
		kind dhcpv4.MessageType
		from *net.UDPAddr
		port int
		want string
	}{
		{"no address yet", nil, dhcpv4.MessageTypeOffer, sender, serverPort, "255.255.255.255:68"},
		{"renewing", []dhcpv4.Modifier{has("10.0.0.10")}, dhcpv4.MessageTypeAck, sender, serverPort, "10.0.0.10:68"},
		{"refused while renewing", []dhcpv4.Modifier{has("10.0.0.10")}, dhcpv4.MessageTypeNak, sender, serverPort, "255.255.255.255:68"},
		{"relayed", []dhcpv4.Modifier{relay("10.1.0.1")}, dhcpv4.MessageTypeOffer, sender, serverPort, "10.1.0.1:67"},
		{"relayed renewal", []dhcpv4.Modifier{relay("10.1.0.1"), has("10.1.0.10")}, dhcpv4.MessageTypeAck, sender, serverPort, "10.1.0.1:67"},
		{"port 4011", []dhcpv4.Modifier{has("10.0.0.77")}, dhcpv4.MessageTypeAck, sender, binlPort, "10.0.0.77:2070"},
		{"port 4011, address only inside", []dhcpv4.Modifier{has("10.0.0.77")}, dhcpv4.MessageTypeAck, nobody, binlPort, "10.0.0.77:68"},
		{"port 4011, no address", nil, dhcpv4.MessageTypeAck, nobody, binlPort, "255.255.255.255:68"},
	} {
		m := packet(t, testMAC(1), dhcpv4.MessageTypeRequest, test.opts...)
		reply, err := dhcpv4.NewReplyFromRequest(m, dhcpv4.WithMessageType(test.kind))
		if err != nil {
			t.Fatal(err)
		}
		if got := destination(m, reply, test.from, test.port).String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, m := range []*dhcpv4.DHCPv4{
		packet(f, testMAC(1), dhcpv4.MessageTypeDiscover),
		packet(f, testMAC(1), dhcpv4.MessageTypeRequest, wants("10.0.0.10")),
		packet(f, testMAC(1), dhcpv4.MessageTypeDiscover, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003001"))),
		packet(f, testMAC(1), dhcpv4.MessageTypeDiscover, relay("10.1.0.1"), dhcpv4.WithGeneric(optionHead, nil),
			dhcpv4.WithGeneric(dhcpv4.GenericOptionCode(175), []byte{19, 1, 1}), dhcpv4.WithGeneric(dhcpv4.OptionRelayAgentInformation, []byte{1, 2, 3, 4})),
	} {
		f.Add(m.ToBytes(), uint16(serverPort), false)
		f.Add(m.ToBytes(), uint16(binlPort), true)
	}
	full := server(f, nil)
	full.leases.path = "/dev/null/nowhere" // writes fail, which must not matter
	proxy := server(f, func(c *Config) { c.Proxy = true })
	f.Fuzz(func(t *testing.T, b []byte, port uint16, beside bool) {
		m, err := decode(b)
		if err != nil {
			return
		}
		r := full
		if beside {
			r = proxy
		}
		reply := r.reply(m, int(port), noon)
		if reply == nil {
			return
		}
		if reply.TransactionID != m.TransactionID || reply.OpCode != dhcpv4.OpcodeBootReply {
			t.Errorf("reply does not belong to its request: %s", reply.Summary())
		}
		if beside && !reply.YourIPAddr.IsUnspecified() {
			t.Errorf("proxy gives out %s", reply.YourIPAddr)
		}
		if _, err := dhcpv4.FromBytes(reply.ToBytes()); err != nil {
			t.Errorf("reply cannot be read back: %v", err)
		}
		destination(m, reply, &net.UDPAddr{}, int(port))
	})
}
