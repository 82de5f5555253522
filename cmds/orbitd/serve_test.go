package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/pin/tftp/v3"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"

	"github.com/orbit-pxe/orbit/pkg/api"
)

const (
	mac1 = "52:54:00:00:00:01"
	mac2 = "52:54:00:00:00:02"
	host = "10.77.0.1"
)

// dhcpClient opens a DHCP client on a node's eth0.
func dhcpClient(t *testing.T, n *namespace) *nclient4.Client {
	t.Helper()
	var c *nclient4.Client
	n.must(func() (err error) {
		c, err = nclient4.New("eth0", nclient4.WithTimeout(2*time.Second), nclient4.WithRetry(4))
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

func request(t *testing.T, c *nclient4.Client, change ...dhcpv4.Modifier) *nclient4.Lease {
	t.Helper()
	lease, err := c.Request(t.Context(), change...)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func uefi() []dhcpv4.Modifier {
	return []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003001")),
		dhcpv4.WithOption(dhcpv4.OptClientArch(7)),
	}
}

func TestServeDHCP(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	args := []string{"--range", "10.77.0.20-10.77.0.30", "--reserve", mac2 + "=10.77.0.99,two", "--router", host, "--lease", "10m"}
	stop := head.serve(dir, args...)
	one, two := newNode(t, head, "one", mac1, ""), newNode(t, head, "two", mac2, "")

	lease := request(t, dhcpClient(t, one), uefi()...)
	if got := lease.ACK; got.YourIPAddr.String() != "10.77.0.20" || got.BootFileName != "snponly.efi" || got.ServerIPAddr.String() != host ||
		got.Router()[0].String() != host || got.IPAddressLeaseTime(0) != 10*time.Minute || got.ClassIdentifier() != "" {
		t.Errorf("lease:\n%s", got.Summary())
	}
	if got := request(t, dhcpClient(t, two)).ACK; got.YourIPAddr.String() != "10.77.0.99" || got.HostName() != "two" || got.BootFileName != "" {
		t.Errorf("reserved lease:\n%s", got.Summary())
	}

	// Leases survive a restart; other addresses are refused.
	stop()
	stop = head.serve(dir, args...)
	if got := request(t, dhcpClient(t, one)).ACK; got.YourIPAddr.String() != "10.77.0.20" {
		t.Errorf("after a restart: %s", got.YourIPAddr)
	}
	offer, err := dhcpv4.NewDiscovery(net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}, dhcpv4.WithYourIP(net.IPv4(10, 77, 0, 99)),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 77, 0, 1))))
	if err != nil {
		t.Fatal(err)
	}
	offer.OpCode = dhcpv4.OpcodeBootReply
	var nak *nclient4.ErrNak
	if _, err := dhcpClient(t, one).RequestFromOffer(t.Context(), offer); !errors.As(err, &nak) {
		t.Errorf("another's address: %v, want a NAK", err)
	}
	if log := stop(); !strings.Contains(log, "address=10.77.0.20") || !strings.Contains(log, "msg=stopped") {
		t.Errorf("log:\n%s", log)
	}
}

func TestServeSurvivesGarbage(t *testing.T) {
	head := newHead(t)
	head.serve(t.TempDir())
	node := newNode(t, head, "one", mac1, "10.77.0.200/24")
	random := rand.New(rand.NewPCG(1, 2))
	good, err := dhcpv4.NewDiscovery(net.HardwareAddr{1, 2, 3, 4, 5, 6}, uefi()...)
	if err != nil {
		t.Fatal(err)
	}
	node.must(func() error {
		conn, err := net.Dial("udp4", host+":67")
		if err != nil {
			return err
		}
		defer conn.Close()
		tftp, err := net.Dial("udp4", host+":69")
		if err != nil {
			return err
		}
		defer tftp.Close()
		for range 300 {
			b := good.ToBytes()
			for range random.IntN(20) {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
			b = b[:random.IntN(len(b))]
			if _, err := conn.Write(b); err != nil {
				return err
			}
			if _, err := tftp.Write(b); err != nil {
				return err
			}
		}
		return nil
	})
	request(t, dhcpClient(t, node))
}

func TestServeFiles(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "ipxe"), 0o755); err != nil {
		t.Fatal(err)
	}
	loader := bytes.Repeat([]byte("iPXE"), 30_000)
	if err := os.WriteFile(filepath.Join(dir, "ipxe", "undionly.kpxe"), loader, 0o644); err != nil {
		t.Fatal(err)
	}
	head.serve(dir, "--http", ":8081", "--console", "ttyS1,9600")
	node := newNode(t, head, "one", mac1, "10.77.0.200/24")
	var got bytes.Buffer
	node.must(func() error {
		c, err := tftp.NewClient(host + ":69")
		if err != nil {
			return err
		}
		c.SetBlockSize(1468)
		from, err := c.Receive("/undionly.kpxe", "octet")
		if err != nil {
			return err
		}
		_, err = from.WriteTo(&got)
		return err
	})
	if !bytes.Equal(got.Bytes(), loader) {
		t.Errorf("%d bytes by TFTP, want %d", got.Len(), len(loader))
	}

	if out, err := head.orbitd("assign", "--head", "http://127.0.0.1:8081", mac1, "--job", "image", "--image", "none", "--disk", "first"); err == nil || !strings.Contains(out, "no image none") {
		t.Errorf("assign of a missing image: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "images", "deb.zst"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := head.orbitd("assign", "--head", "http://127.0.0.1:8081", mac1, "--job", "image", "--image", "deb.zst", "--disk", "first", "--then", "kexec", "--append", "quiet"); err != nil {
		t.Fatalf("assign: %v\n%s", err, out)
	}
	script := node.get("http://" + host + ":8081/boot/ipxe?mac=" + mac1)
	for _, want := range []string{"orbit.head=http://10.77.0.1:8081 ", "BOOTIF=01-52-54-00-00-00-01", "console=ttyS1,9600"} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in script:\n%s", want, script)
		}
	}
	var job api.Job
	if err := json.Unmarshal([]byte(node.get("http://"+host+":8081/v1/nodes/"+mac1+"/job")), &job); err != nil || job.Image != "http://10.77.0.1:8081/images/deb.zst" || job.Append != "quiet" {
		t.Errorf("job %+v, %v", job, err)
	}
	out, err := head.orbitd("nodes", "--head", "http://127.0.0.1:8081")
	if err != nil || !strings.Contains(out, mac1) || !strings.Contains(out, "image deb.zst") || !strings.Contains(out, "running") {
		t.Errorf("nodes: %v\n%s", err, out)
	}
	if out, err := head.orbitd("clear", "all", "--head", "http://127.0.0.1:8081"); err != nil {
		t.Errorf("clear: %v\n%s", err, out)
	}
	if script := node.get("http://" + host + ":8081/boot/ipxe?mac=" + mac1); !strings.Contains(script, "sanboot") {
		t.Errorf("script after clear:\n%s", script)
	}
}

// TestServeProxy runs dnsmasq as the network's own DHCP server.
func TestServeProxy(t *testing.T) {
	dnsmasq, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Skip("no dnsmasq (Debian package dnsmasq-base)")
	}
	head := newHead(t)
	other := newNode(t, head, "other", "52:54:00:00:00:fe", "10.77.0.254/24")
	cmd := exec.Command(dnsmasq, "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
		"--dhcp-range=10.77.0.100,10.77.0.120", "--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"), "--pid-file=", "--log-facility=-", "--user=root")
	var log bytes.Buffer
	cmd.Stderr = &log
	other.start(cmd)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("dnsmasq:\n%s", log.String())
		}
	})
	head.serve(t.TempDir(), "--proxy")
	node := newNode(t, head, "one", mac1, "")
	c := dhcpClient(t, node)

	ask := func(m *dhcpv4.DHCPv4, port int, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		reply, err := c.SendAndRead(ctx, &net.UDPAddr{IP: net.IPv4bcast, Port: port}, m,
			nclient4.IsAll(nclient4.IsMessageType(kind), nclient4.IsCorrectServer(net.ParseIP(host))))
		if err != nil {
			t.Fatalf("ask for %s on port %d: %v", kind, port, err)
		}
		return reply
	}
	packet := func(kind dhcpv4.MessageType, change ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
		t.Helper()
		m, err := dhcpv4.NewDiscovery(c.InterfaceAddr(), append(change, dhcpv4.WithMessageType(kind))...)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	offer := ask(packet(dhcpv4.MessageTypeDiscover, uefi()...), 67, dhcpv4.MessageTypeOffer)
	if !offer.YourIPAddr.IsUnspecified() || offer.ClassIdentifier() != "PXEClient" || offer.BootFileName != "snponly.efi" {
		t.Errorf("proxy offer:\n%s", offer.Summary())
	}
	lease := request(t, c)
	if got := lease.ACK; got.ServerIdentifier().String() != "10.77.0.254" || got.YourIPAddr[2] != 0 {
		t.Errorf("address from %s:\n%s", got.ServerIdentifier(), got.Summary())
	}
	node.must(func() error {
		return exec.Command("ip", "address", "add", lease.ACK.YourIPAddr.String()+"/24", "dev", "eth0").Run()
	})
	mine := dhcpv4.WithClientIP(lease.ACK.YourIPAddr)
	ack := ask(packet(dhcpv4.MessageTypeRequest, append(uefi(), mine)...), 4011, dhcpv4.MessageTypeAck)
	if ack.BootFileName != "snponly.efi" || ack.ServerIPAddr.String() != host {
		t.Errorf("answer on port 4011:\n%s", ack.Summary())
	}
	// The agent, started without orbit.head=, has its address and looks for the head.
	inform := ask(packet(dhcpv4.MessageTypeInform, mine, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("orbit"))), 67, dhcpv4.MessageTypeAck)
	if got := string(inform.Options.Get(dhcpv4.GenericOptionCode(224))); got != "http://10.77.0.1:8080" {
		t.Errorf("head told to the agent: %q", got)
	}
}

// TestServeIPv6 asks for a router, as iPXE does.
func TestServeIPv6(t *testing.T) {
	head := newHead(t)
	head.serve(t.TempDir())
	node := newNode(t, head, "one", mac1, "")
	var got [64]byte
	node.must(func() error {
		conn, err := icmp.ListenPacket("ip6:ipv6-icmp", "::")
		if err != nil {
			return err
		}
		defer conn.Close()
		p := conn.IPv6PacketConn()
		var only ipv6.ICMPFilter
		only.SetAll(true)
		only.Accept(ipv6.ICMPTypeRouterAdvertisement)
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		err = errors.Join(p.SetICMPFilter(&only), p.SetMulticastHopLimit(255), p.SetMulticastInterface(ifi))
		if err != nil {
			return err
		}
		solicitation := []byte{133, 0, 0, 0, 0, 0, 0, 0}
		for range 50 { // until the bridge forwards and the link-local address is there
			_, err = p.WriteTo(solicitation, nil, &net.IPAddr{IP: net.IPv6linklocalallrouters, Zone: "eth0"})
			if err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) && !errors.Is(err, syscall.ENETUNREACH) {
				return err
			}
			if err := p.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
				return err
			}
			for err = nil; err == nil; {
				_, _, _, err = p.ReadFrom(got[:])
				if err == nil && got[0] == 134 { // others came in before the filter was set
					return nil
				}
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
		}
		return errors.New("no router advertisement")
	})
	if got[0] != 134 || got[5] != 0 || got[6] != 0 || got[7] != 0 {
		t.Errorf("advertisement % x, want lifetime and flags 0", got[:16])
	}
}

func TestServeRefuses(t *testing.T) {
	head := newHead(t)
	dir := t.TempDir()
	for _, test := range []struct {
		args  string
		words string
	}{
		{"serve --interface none0 --dir " + dir, "interface none0"},
		{"serve --interface lo --dir " + dir + " --range 10.1.0.1", "no dash"},
		{"serve --dir " + dir, "--interface and --dir"},
		{"serve --interface br0 --dir " + dir + " --idle sleep", "local or wait"},
		{"serve --interface br0 --dir /dev/null/x", "not a directory"},
		{"nodes --head http://127.0.0.1:9", "is orbitd serve running"},
		{"dance", "unknown verb"},
	} {
		out, err := head.orbitd(strings.Fields(test.args)...)
		if err == nil || !strings.Contains(out, test.words) {
			t.Errorf("%s: %v, want %q in\n%s", test.args, err, test.words, out)
		}
	}
	head.serve(dir)
	if out, err := head.orbitd("serve", "--interface", "br0", "--dir", t.TempDir()); err == nil || !strings.Contains(out, "address already in use") {
		t.Errorf("second orbitd on one interface: %v\n%s", err, out)
	}
}
