package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// plant makes a root with files; a value that begins with "-> " is the target
// of a symbolic link from the root of the tree, "dir" a directory.
func plant(t *testing.T, files map[string]string) sysfs.Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			back := strings.Repeat("../", strings.Count(name, "/"))
			err = os.Symlink(back+target, path)
		} else if content == "dir" {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return sysfs.Host{Root: root}
}

// under puts files into a directory.
func under(files map[string]string, dir string, more ...string) {
	for i := 0; i < len(more); i += 2 {
		files[dir+"/"+more[i]] = more[i+1]
	}
}

// server is the part of /sys of one with an Intel card of two ports, a virtio
// interface, a USB stick, an InfiniBand card with two ports on one function, and
// what is no interface of its own.
func server() map[string]string {
	f := map[string]string{
		"proc/cmdline":             "initrd=initramfs BOOTIF=01-A0-36-9F-00-00-02 console=ttyS0\n",
		"proc/sys/kernel/hostname": "node1\n",
	}
	pci := func(address, driver string, more ...string) string {
		dir := "sys/devices/pci0000:00/" + address
		under(f, dir, "subsystem", "-> sys/bus/pci", "driver", "-> sys/bus/pci/drivers/"+driver, "numa_node", "-1\n")
		under(f, dir, more...)
		return dir
	}
	f["sys/bus/pci/drivers/x"], f["sys/bus/usb/x"], f["sys/bus/virtio/x"] = "", "", ""
	net := func(name, device string, more ...string) {
		dir := device + "/net/" + name
		if device == "" {
			dir = "sys/devices/virtual/net/" + name
		} else {
			under(f, dir, "device", "-> "+device)
		}
		under(f, dir, "type", "1\n", "flags", "0x1003\n", "mtu", "1500\n", "dev_port", "0\n", "addr_assign_type", "0\n")
		under(f, dir, more...)
		f["sys/class/net/"+name] = "-> " + dir
	}
	delete(f, "sys/bus/pci/drivers/x")
	net("lo", "", "type", "772\n")
	net("br0", "", "address", "a0:36:9f:00:00:01\n")
	one := pci("0000:00:10.0", "ixgbe", "sriov_totalvfs", "63\n")
	two := pci("0000:00:09.1", "ixgbe", "sriov_totalvfs", "63\n")
	f[two+"/numa_node"] = "1\n"
	net("eth7", one, "address", "a0:36:9f:00:00:01\n", "ifindex", "2\n", "carrier", "1\n", "speed", "10000\n", "duplex", "full\n",
		"statistics/rx_errors", "2\n", "statistics/tx_errors", "3\n", "statistics/rx_dropped", "4\n", "statistics/tx_dropped", "0\n")
	net("eth10", two, "address", "A0:36:9F:00:00:02\n", "ifindex", "3\n", "carrier", "0\n", "speed", "-1\n", "duplex", "unknown\n")
	vf := pci("0000:00:10.4", "ixgbevf", "physfn", "-> "+one)
	net("eth11", vf, "address", "a0:36:9f:00:00:05\n")
	virtio := pci("0000:00:03.0", "virtio-pci", "numa_node", "0\n") + "/virtio12"
	under(f, virtio, "subsystem", "-> sys/bus/virtio", "driver", "-> sys/bus/virtio/drivers/virtio_net")
	net("eth0", virtio, "address", "52:54:00:00:00:01\n", "ifindex", "4\n", "flags", "0x1002\n")
	usb := pci("0000:00:14.0", "xhci_hcd") + "/usb1/1-1/1-1.2/1-1.2:1.0"
	under(f, usb, "subsystem", "-> sys/bus/usb", "driver", "-> sys/bus/usb/drivers/cdc_ether")
	net("usb0", usb, "address", "3a:11:22:33:44:55\n", "addr_assign_type", "1\n", "ifindex", "5\n", "speed", "4294967295\n")
	ib := pci("0000:00:18.0", "mlx4_core")
	net("ib0", ib, "type", "32\n", "address", "80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01\n", "carrier", "1\n")
	net("ib1", ib, "type", "32\n", "address", "80:00:02:09:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:02\n", "dev_port", "1\n")
	wlan := pci("0000:00:1c.0", "iwlwifi")
	net("wlan0", wlan, "address", "00:11:22:33:44:55\n", "phy80211", "dir")
	return f
}
