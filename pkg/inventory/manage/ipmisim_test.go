package manage

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// simulated starts OpenIPMI's simulator with a LAN on channel 3 and returns a
// way to send it commands.
func simulated(t *testing.T) ipmi {
	t.Helper()
	if _, err := exec.LookPath("ipmi_sim"); err != nil {
		t.Skip("no simulator of management controllers (package openipmi): ", err)
	}
	dir := t.TempDir()
	lan, serial := freePort(t), freePort(t)
	for name, text := range map[string]string{
		"lancontrol": `#!/bin/sh
[ "$1" = get ] || exit 0
shift
for name; do
	case $name in
	ip_addr) value=192.0.2.77 ;;
	ip_addr_src) value=dhcp ;;
	mac_addr) value=52:54:00:aa:bb:cc ;;
	subnet_mask) value=255.255.255.0 ;;
	default_gw_ip_addr) value=192.0.2.1 ;;
	*_ip_addr) value=0.0.0.0 ;;
	*) value=00:00:00:00:00:00 ;;
	esac
	echo "$name:$value"
done
`,
		"lan.conf": fmt.Sprintf(`name "orbit"
set_working_mc 0x20
startlan 3
addr 127.0.0.1 %d
priv_limit admin
allowed_auths_admin none
lan_config_program %q
endlan
serial 15 127.0.0.1 %d codec VM
user 1 true "" "test" user 10 none
`, lan, filepath.Join(dir, "lancontrol"), serial),
		"commands": "mc_setbmc 0x20\nmc_add 0x20 0x51 no-device-sdrs 0x23 9 0x18 0x9f 0x1291 0xf02\nmc_enable 0x20\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("ipmi_sim", "-n", "-c", filepath.Join(dir, "lan.conf"), "-f", filepath.Join(dir, "commands"), "-s", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	conn := dial(t, serial)
	return (&machine{conn, bufio.NewReader(conn)}).command
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func dial(t *testing.T, port int) net.Conn {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		<-tick.C
	}
	t.Fatal("the simulator does not listen")
	return nil
}

// machine speaks OpenIPMI's "VM" protocol, QEMU's side of it: a number, the
// command and a checksum, with three bytes escaped.
type machine struct {
	net.Conn
	in *bufio.Reader
}

const endMessage, endControl, escape = 0xa0, 0xa1, 0xaa

func (m *machine) command(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) {
	end, _ := ctx.Deadline()
	m.SetDeadline(end)
	message := append([]byte{7, c.netFn << 2, c.number}, data...)
	sum := byte(0)
	for _, b := range message {
		sum -= b
	}
	var out []byte
	for _, b := range append(message, sum) {
		switch b {
		case endMessage, endControl, escape:
			out = append(out, escape, b|0x10)
		default:
			out = append(out, b)
		}
	}
	if _, err := m.Write(append(out, endMessage)); err != nil {
		return nil, err
	}
	for {
		var got []byte
		for {
			b, err := m.in.ReadByte()
			if err != nil {
				return nil, err
			}
			if b == escape {
				b, err = m.in.ReadByte()
				got = append(got, b&^0x10)
				continue
			}
			if b == endMessage && len(got) > 4 {
				return got[3 : len(got)-1], nil
			}
			if b == endMessage || b == endControl {
				break
			}
			got = append(got, b)
		}
	}
}

// A controller that somebody else wrote is described as it was set up. It tells
// no GUID.
func TestSimulatedBMC(t *testing.T) {
	send := simulated(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got hardware.BMC
	err := interview(ctx, send, hardware.BMC{Interface: "kcs"}, "", func(d hardware.BMC) { got = d })
	if err != nil {
		t.Fatal(err)
	}
	want := hardware.BMC{
		Interface: "kcs", Address: "192.0.2.77", Source: "dhcp", MAC: "52:54:00:aa:bb:cc", Gateway: "192.0.2.1",
		Firmware: "9.18", IPMI: "2.0", Vendor: 0x1291, Product: 0xf02, Device: 0x51,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
