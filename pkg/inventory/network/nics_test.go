package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/network/lldp"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// interfaces are what server has, as sysfs alone tells.
func interfaces() []hardware.NIC {
	zero, one := 0, 1
	return []hardware.NIC{
		{ID: "52:54:00:00:00:01", Name: "eth0", MAC: "52:54:00:00:00:01", Driver: "virtio_net", Bus: "virtio", Address: "0000:00:03.0",
			NUMA: &zero, Readings: &hardware.NICReadings{MTU: 1500}},
		{ID: "a0:36:9f:00:00:02", Name: "eth10", MAC: "a0:36:9f:00:00:02", Driver: "ixgbe", Bus: "pci", Address: "0000:00:09.1",
			PXE: true, NUMA: &one, SRIOV: 63, Readings: &hardware.NICReadings{Up: true, MTU: 1500}},
		{ID: "a0:36:9f:00:00:01", Name: "eth7", MAC: "a0:36:9f:00:00:01", Driver: "ixgbe", Bus: "pci", Address: "0000:00:10.0", SRIOV: 63,
			Readings: &hardware.NICReadings{Up: true, Carrier: true, Speed: 10000, Duplex: "full", MTU: 1500, Errors: 5, Dropped: 4}},
		{ID: "1-1.2", Name: "usb0", Driver: "cdc_ether", Bus: "usb", Address: "1-1.2",
			Readings: &hardware.NICReadings{Up: true, MTU: 1500, MAC: "3a:11:22:33:44:55"}},
		{ID: "00:02:c9:03:00:00:00:01", Name: "ib0", MAC: "00:02:c9:03:00:00:00:01", Driver: "mlx4_core", Bus: "pci", Address: "0000:00:18.0",
			Readings: &hardware.NICReadings{Up: true, Carrier: true, MTU: 1500}},
		{ID: "00:02:c9:03:00:00:00:02", Name: "ib1", MAC: "00:02:c9:03:00:00:00:02", Driver: "mlx4_core", Bus: "pci", Address: "0000:00:18.0", Port: 1,
			Readings: &hardware.NICReadings{Up: true, MTU: 1500}},
	}
}

func TestNICs(t *testing.T) {
	h := plant(t, server())
	got, err := NICs(context.Background(), h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(interfaces(), got); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if got, err := NICs(context.Background(), sysfs.Host{Root: t.TempDir()}); got != nil || err != nil {
		t.Errorf("a machine without interfaces has %v, %v", got, err)
	}
}

// driver answers for eth7 as ixgbe does, and for the others that it can't.
func driver(t *testing.T) ethtool {
	return func(name string, buf []byte) error {
		if name == "usb0" && binary.NativeEndian.Uint32(buf) == unix.ETHTOOL_GDRVINFO {
			copy(buf[68:], "CDC Ethernet Device\x00") // no firmware
			return nil
		}
		if name != "eth7" {
			return unix.EOPNOTSUPP
		}
		switch command := binary.NativeEndian.Uint32(buf); command {
		case unix.ETHTOOL_GPERMADDR:
			binary.NativeEndian.PutUint32(buf[4:], 6)
			copy(buf[8:], "\xa0\x36\x9f\x00\x00\x11")
		case unix.ETHTOOL_GDRVINFO:
			copy(buf[4:], "ixgbe\x00")
			copy(buf[68:], "0x800003df, 1.1853.0\x00")
		case unix.ETHTOOL_GWOL:
			binary.NativeEndian.PutUint32(buf[4:], 0x2f)
			binary.NativeEndian.PutUint32(buf[8:], 0x20)
		case unix.ETHTOOL_GLINKSETTINGS:
			const words = 3
			if buf[15] != words {
				buf[15] = 256 - words
				return nil
			}
			buf[9] = 3 // PORT_FIBRE
			binary.NativeEndian.PutUint32(buf[48:], 1<<5|1<<10|1<<12)
			binary.NativeEndian.PutUint32(buf[52:], 1<<(43-32))
			binary.NativeEndian.PutUint32(buf[60:], 1<<22) // advertised, not supported
		default:
			t.Errorf("asked %s for %#x", name, command)
		}
		return nil
	}
}

func TestAskedNICs(t *testing.T) {
	c := collector{host: plant(t, server()), tool: driver(t)}
	c.Boot = "a0:36:9f:00:00:01"
	c.listen = func(ctx context.Context, ports []*port, o Options, h sysfs.Host) (map[int]hardware.Neighbour, error) {
		if len(ports) != 1 || ports[0].Name != "eth7" {
			t.Errorf("listened on %+v", ports)
		}
		end, ok := ctx.Deadline()
		if left := time.Until(end); !ok || left > 800*time.Millisecond || left < 100*time.Millisecond {
			t.Errorf("listened for %v", left)
		}
		return map[int]hardware.Neighbour{2: {Switch: "sw1", Port: "Gi1/0/7"}}, nil
	}
	want := interfaces()
	want[1].PXE = false
	e := &want[2]
	e.ID, e.MAC, e.Current, e.PXE = "a0:36:9f:00:00:11", "a0:36:9f:00:00:11", "a0:36:9f:00:00:01", true
	e.Firmware, e.MaxSpeed, e.Media = "0x800003df, 1.1853.0", 10000, "fibre"
	e.WOL, e.Readings.WOL = []string{"phy", "unicast", "multicast", "broadcast", "magic"}, []string{"magic"}
	e.Neighbour = &hardware.Neighbour{Switch: "sw1", Port: "Gi1/0/7"}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	got, err := c.nics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
}

// TestStuckDriver has the other interfaces, and that one's plain facts, before
// the time is over.
func TestStuckDriver(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	c := collector{host: plant(t, server())}
	c.tool = func(name string, buf []byte) error {
		if name == "eth10" {
			<-release
		}
		if binary.NativeEndian.Uint32(buf) == unix.ETHTOOL_GWOL {
			return unix.EPERM
		}
		return unix.EOPNOTSUPP
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	got, err := c.nics(ctx)
	if ctx.Err() != nil {
		t.Error("it took all the time there was")
	}
	if diff := cmp.Diff(interfaces(), got); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	want := "ask driver ixgbe of eth10: no answer in time\nwake-on-LAN and the switches' names (LLDP) are for root alone: run this as root"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestSameAddresses(t *testing.T) {
	f := server()
	for _, name := range []string{"eth0", "eth7", "eth10"} {
		f[strings.TrimPrefix(f["sys/class/net/"+name], "-> ")+"/address"] = "00:11:22:33:44:55\n"
	}
	f[strings.TrimPrefix(f["sys/class/net/ib1"], "-> ")+"/address"] = "00:00:00:00:00:00\n"
	f[strings.TrimPrefix(f["sys/class/net/ib0"], "-> ")+"/address"] = "nonsense\n"
	got, err := NICs(context.Background(), plant(t, f))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, n := range got {
		ids = append(ids, n.ID)
	}
	want := []string{"00:11:22:33:44:55", "00:11:22:33:44:55 #2", "00:11:22:33:44:55 #3", "1-1.2", "0000:00:18.0", "0000:00:18.0 port 1"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

func TestMedium(t *testing.T) {
	for _, test := range []struct {
		port byte
		bits []int
		want string
	}{
		{0, []int{7}, "tp"}, {2, []int{7, 9}, "tp"}, {0, nil, ""}, {0xff, nil, ""}, {0xef, []int{10}, "fibre"}, {3, nil, "fibre"}, {5, []int{10}, "da"},
		{0, []int{7, 10}, "tp"}, {0xff, []int{7, 10}, ""}, {0xff, []int{16}, "backplane"}, {1, nil, "aui"}, {2, nil, "mii"}, {4, nil, "bnc"},
	} {
		has := func(bit int) bool {
			for _, b := range test.bits {
				if b == bit {
					return true
				}
			}
			return false
		}
		if got := medium(test.port, has); got != test.want {
			t.Errorf("medium of port %d with modes %v is %q, want %q", test.port, test.bits, got, test.want)
		}
	}
}

// TestSpeeds compares the table of modes with the kernel's own names for them.
func TestSpeeds(t *testing.T) {
	header, err := os.ReadFile("/usr/include/linux/ethtool.h")
	if err != nil {
		t.Skipf("needs linux-libc-dev: %v", err)
	}
	n := 0
	for line := range strings.Lines(string(header)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[1] != "=" {
			continue
		}
		name, ok := strings.CutPrefix(f[0], "ETHTOOL_LINK_MODE_")
		bit, err := strconv.Atoi(strings.Trim(f[2], ","))
		if !ok || err != nil {
			continue
		}
		rate, _, mode := strings.Cut(name, "base")
		want, _ := strconv.Atoi(rate)
		if !mode {
			want = 0
		}
		if name == "10000baseR_FEC_BIT" {
			want = 10000
		}
		if got := fastest(func(b int) bool { return b == bit }); got != want {
			t.Errorf("speed of %s is %d", f[0], got)
		}
		n++
	}
	if n < 90 {
		t.Errorf("the header has %d modes", n)
	}
}

// TestNeighbours listens at both ends of a cable at once.
func TestNeighbours(t *testing.T) {
	if os.Getenv("NETWORK_NAMESPACE") == "" {
		if os.Geteuid() != 0 {
			t.Skip("needs root to make network namespaces")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestNeighbours$", "-test.v")
		cmd.Env = append(os.Environ(), "NETWORK_NAMESPACE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, args := range []string{"link add p1 address 02:00:00:00:00:01 type veth peer name p2 address 02:00:00:00:00:02", "link set p1 up", "link set p2 up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v: %s", args, err, out)
		}
	}
	f := map[string]string{"proc/sys/kernel/hostname": "node1\n", "proc/sys/kernel/osrelease": "6.12\n", "sys/bus/pci/x": ""}
	for i, name := range []string{"p1", "p2"} {
		out, err := exec.Command("ip", "-o", "link", "show", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		index, _, _ := bytes.Cut(out, []byte(":"))
		device := "sys/devices/pci0000:00/0000:00:0" + strconv.Itoa(i+1) + ".0"
		under(f, device, "subsystem", "-> sys/bus/pci")
		under(f, filepath.Join("sys/class/net", name), "device", "-> "+device, "type", "1", "carrier", "1", "ifindex", string(index),
			"address", "02:00:00:00:00:0"+strconv.Itoa(i+1))
	}
	c := collector{host: plant(t, f), listen: listen, Options: Options{LLDP: time.Second, Announce: true}}
	got, err := c.nics(context.Background())
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	// One socket has heard both: what left at one end came in at the other.
	for i, other := range []string{"p2", "p1"} {
		want := &hardware.Neighbour{Chassis: "02:00:00:00:00:01", Port: got[1-i].MAC, PortName: other, Switch: "node1", Description: announcement(c.host).Description}
		if diff := cmp.Diff(want, got[i].Neighbour); diff != "" {
			t.Errorf("neighbour of %s (-want +got):\n%s", got[i].Name, diff)
		}
	}
}

func TestNeighbour(t *testing.T) {
	got := neighbour(lldp.PDU{
		Chassis: lldp.ChassisID{Kind: lldp.ChassisMAC, Value: "\x00\x1b\x21\x00\x00\x01"}, Port: lldp.PortID{Kind: lldp.PortName, Value: "Eth1/7"},
		PortDescription: "rack 3", System: "sw1", Description: "switch", VLAN: 42, MaxFrame: 9236,
		VLANs:     []lldp.VLAN{{ID: 43, Name: "b"}, {ID: 42, Name: "a"}, {ID: 43}},
		Addresses: []lldp.Address{{Family: 6, Value: "\x00\x1b\x21\x00\x00\x01"}, {Family: 2, Value: "\xfd" + strings.Repeat("\x00", 14) + "\x01"}, {Family: 1, Value: "\x0a\x00\x00\x01"}},
	})
	want := hardware.Neighbour{Chassis: "00:1b:21:00:00:01", Port: "Eth1/7", Switch: "sw1", Description: "switch", PortName: "rack 3",
		Address: "fd00::1", VLAN: 42, VLANs: []int{42, 43}, MTU: 9236}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("neighbour (-want +got):\n%s", diff)
	}
}

// TestPanics has a driver whose answer nobody has foreseen: the others' count.
func TestPanics(t *testing.T) {
	c := collector{host: plant(t, server())}
	all, err := c.nics(context.Background())
	if err != nil || len(all) < 2 {
		t.Fatal(all, err)
	}
	bad := all[0].Name
	c.tool = func(name string, buf []byte) error {
		if name == bad {
			panic("unforeseen")
		}
		return driver(t)(name, buf)
	}
	got, err := c.nics(context.Background())
	if err == nil || !strings.Contains(err.Error(), bad+": internal error: unforeseen") || len(got) != len(all) || got[0].ID == "" {
		t.Errorf("%v, %v", got, err)
	}
}
