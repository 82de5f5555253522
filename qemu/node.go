package qemu

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Firmware is what a node starts with.
type Firmware string

const (
	BIOS Firmware = "bios" // SeaBIOS, network boot by the card's iPXE ROM
	UEFI Firmware = "uefi" // OVMF, network boot by OVMF itself
)

// First says what the firmware tries first; the other follows.
type First int

const (
	Network First = iota
	Disk0
)

// Direct boots a kernel without firmware's network or disk boot, as QEMU's
// -kernel does.
type Direct struct {
	Kernel, Initrd string
	Append         string // kernel command line
}

// Node describes a machine to start.
type Node struct {
	Name     string
	MAC      string   // "" = made from the order of starting
	Firmware Firmware // "" = BIOS
	NIC      string   // QEMU device model: "" = virtio-net-pci; e1000, e1000e...
	Memory   int      // MiB; 0 = 1024
	CPUs     int      // 0 = 2
	Disks    []Disk
	First    First
	Direct   *Direct
	NoReboot bool     // a reset ends QEMU instead of passing through firmware again
	Extra    []string // more QEMU options
}

// firmwareDirs are where distributions put OVMF and iPXE's option ROMs.
var firmwareDirs = []string{"/usr/share/OVMF", "/usr/share/edk2/x64", "/usr/share/edk2/ovmf", "/usr/share/qemu"}

// command makes QEMU's command line; files it needs are made in work.
func (n Node) command(work, qmpSocket, netdev string) ([]string, error) {
	args := []string{"-name", n.Name, "-nodefaults", "-no-user-config", "-machine", "q35,graphics=off",
		"-m", strconv.Itoa(or(n.Memory, 1024)), "-smp", strconv.Itoa(or(n.CPUs, 2)),
		"-display", "none", "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-qmp", "unix:" + qmpSocket + ",server=on,wait=off",
		"-device", "virtio-rng-pci"}
	args = append(args, accelerator()...)
	nic := orString(n.NIC, "virtio-net-pci") + ",netdev=net0,mac=" + n.MAC
	switch {
	case n.Direct != nil:
		nic += ",romfile="
		args = append(args, "-kernel", n.Direct.Kernel, "-append", n.Direct.Append)
		if n.Direct.Initrd != "" {
			args = append(args, "-initrd", n.Direct.Initrd)
		}
	case n.Firmware == UEFI:
		nic += ",romfile=" // OVMF's own driver and PXE, not iPXE's from the ROM
		fallthrough
	default:
		nic += fmt.Sprintf(",bootindex=%d", 1+2*int(n.First))
	}
	if n.Firmware == UEFI {
		pflash, err := n.ovmf(work)
		if err != nil {
			return nil, err
		}
		args = append(args, pflash...)
	}
	args = append(args, "-netdev", netdev, "-device", nic)
	for i, d := range n.Disks {
		more, err := d.options(i)
		if err != nil {
			return nil, fmt.Errorf("disk %d of %s: %w", i, n.Name, err)
		}
		args = append(args, more...)
	}
	if n.NoReboot {
		args = append(args, "-no-reboot")
	}
	return append(args, n.Extra...), nil
}

// ovmf gives the flash of a UEFI node: shared code, variables of its own.
func (n Node) ovmf(work string) ([]string, error) {
	for _, dir := range firmwareDirs {
		code, vars := filepath.Join(dir, "OVMF_CODE_4M.fd"), filepath.Join(dir, "OVMF_VARS_4M.fd")
		if _, err := os.Stat(code); err != nil {
			continue
		}
		own := filepath.Join(work, n.Name+".vars")
		if err := copyFile(own, vars); err != nil {
			return nil, fmt.Errorf("make UEFI variables: %w", err)
		}
		return []string{"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + code,
			"-drive", "if=pflash,format=raw,unit=1,file=" + own}, nil
	}
	return nil, fmt.Errorf("no OVMF_CODE_4M.fd in %s (install the package ovmf)", strings.Join(firmwareDirs, ", "))
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func or(v, fallback int) int {
	if v == 0 {
		return fallback
	}
	return v
}

func orString(v, fallback string) string {
	if v == "" {
		return fallback
	}
	return v
}
