package inventory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// Hello is what the head must know to give a node its job. Nothing is probed
// and nothing waits. Facts that cannot be read are left empty; the error names
// them and the rest still counts. The caller adds what depends on the network:
// MAC, Address, Version, Uptime.
func Hello(ctx context.Context, root string) (api.Hello, error) {
	h := sysfs.Host{Root: root}
	dmi := func(name string) string { return smbios.Clean(h.Text("/sys/class/dmi/id/" + name)) }
	hello := api.Hello{
		UUID:     smbios.CleanUUID(h.Text("/sys/class/dmi/id/product_uuid")),
		Serial:   dmi("product_serial"),
		Product:  strings.TrimSpace(dmi("sys_vendor") + " " + dmi("product_name")),
		Firmware: "bios",
		Boot:     h.Text("/proc/sys/kernel/random/boot_id"),
	}
	if h.Has("/sys/firmware/efi") {
		hello.Firmware = "uefi"
	}
	var errs [4]error
	hello.CPUs, errs[0] = processors(h)
	hello.Memory, errs[1] = usable(h)
	hello.MACs, errs[2] = macs(h)
	hello.Disks, errs[3] = disks(ctx, root)
	return hello, errors.Join(errs[:]...)
}

// processors counts those that Linux runs on, of a list such as 0-3,8.
func processors(h sysfs.Host) (n int, err error) {
	const online = "/sys/devices/system/cpu/online"
	for span := range strings.SplitSeq(h.Text(online), ",") {
		first, last, more := strings.Cut(span, "-")
		if !more {
			last = first
		}
		a, err1 := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil || b < a {
			return 0, fmt.Errorf("count CPUs: no list of them in %s", online)
		}
		n += b - a + 1
	}
	return n, nil
}

// usable is the memory that Linux has, in bytes.
func usable(h sysfs.Host) (int64, error) {
	if n := h.Kibibytes("/proc/meminfo", "MemTotal:"); n > 0 {
		return n, nil
	}
	return 0, errors.New("read memory size: no MemTotal in /proc/meminfo")
}

// macs are the addresses of the Ethernet interfaces with hardware behind them,
// in order of their names. Bridges, VLANs, tunnels and the loopback have no
// device link.
func macs(h sysfs.Host) (list []string, err error) {
	const dir, ethernet = "/sys/class/net/", "1" // ARPHRD_ETHER
	names, err := h.List(dir)
	if err == nil && names == nil {
		err = errors.New("there is no /sys/class/net")
	}
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, name := range names {
		if h.Has(dir+name+"/device") && h.Text(dir+name+"/type") == ethernet {
			list = append(list, strings.ToLower(h.Text(dir+name+"/address")))
		}
	}
	return list, nil
}

// disks lists the physical disks, in the order of blockdev.List.
func disks(ctx context.Context, root string) ([]api.Disk, error) {
	all, err := blockdev.Machine{Root: strings.TrimSuffix(root, "/")}.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list disks: %w", err)
	}
	var found []api.Disk
	for _, d := range all {
		found = append(found, d.Disk)
	}
	return found, nil
}
