// Package inventory tells what a machine is made of, from what Linux shows in
// /sys and /proc. Nothing is probed and nothing waits, so that a node can say
// it with its first word to the head.
package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// Machine is the description of one machine.
type Machine struct {
	UUID     string     `json:"uuid,omitempty"`     // SMBIOS system UUID
	Serial   string     `json:"serial,omitempty"`   // SMBIOS system serial number
	Vendor   string     `json:"vendor,omitempty"`   // SMBIOS system manufacturer
	Product  string     `json:"product,omitempty"`  // SMBIOS product name
	Board    string     `json:"board,omitempty"`    // SMBIOS base board
	BIOS     string     `json:"bios,omitempty"`     // SMBIOS firmware vendor, version and date
	Firmware string     `json:"firmware,omitempty"` // "bios" or "uefi": how this system was started
	CPUModel string     `json:"cpu_model,omitempty"`
	CPUs     int        `json:"cpus,omitempty"`   // logical, on line
	Memory   int64      `json:"memory,omitempty"` // bytes that Linux can use
	Kernel   string     `json:"kernel,omitempty"` // release
	NICs     []NIC      `json:"nics,omitempty"`   // in order of name
	Disks    []api.Disk `json:"disks,omitempty"`
}

// Gather describes the machine under root, normally "/". Facts that cannot be
// read are left empty; the error names them and the rest still counts.
func Gather(ctx context.Context, root string) (Machine, error) {
	at := func(path string) string { return filepath.Join(root, path) }
	dmi := func(name string) string { return dmiText(read(at("sys/class/dmi/id/" + name))) }
	m := Machine{
		UUID:     strings.ToLower(dmi("product_uuid")),
		Serial:   dmi("product_serial"),
		Vendor:   dmi("sys_vendor"),
		Product:  dmi("product_name"),
		Board:    words(dmi("board_vendor"), dmi("board_name")),
		BIOS:     words(dmi("bios_vendor"), dmi("bios_version"), dmi("bios_date")),
		Firmware: "bios",
		Kernel:   read(at("proc/sys/kernel/osrelease")),
	}
	if _, err := os.Stat(at("sys/firmware/efi")); err == nil {
		m.Firmware = "uefi"
	}
	var errs [4]error
	m.CPUs, m.CPUModel, errs[0] = cpus(at("proc/cpuinfo"))
	m.Memory, errs[1] = memory(at("proc/meminfo"))
	m.NICs, errs[2] = nics(at("sys/class/net"))
	m.Disks, errs[3] = disks(ctx, root)
	return m, errors.Join(errs[:]...)
}

// MACs returns the Ethernet addresses of the machine's own interfaces.
func (m Machine) MACs() []string {
	var macs []string
	for _, n := range m.NICs {
		macs = append(macs, n.MAC)
	}
	return macs
}

// Hello is what the head wants to know first. The caller adds what depends on
// the network: MAC, Address, Version, Uptime.
func (m Machine) Hello() api.Hello {
	return api.Hello{
		MACs: m.MACs(), UUID: m.UUID, Serial: m.Serial, Product: words(m.Vendor, m.Product),
		Firmware: m.Firmware, CPUs: m.CPUs, Memory: m.Memory, Disks: m.Disks,
	}
}

func cpus(path string) (n int, model string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, "", fmt.Errorf("count CPUs: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "processor":
			n++
		case "model name":
			model = strings.Join(strings.Fields(value), " ")
		}
	}
	return n, model, nil
}

func memory(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read memory size: %w", err)
	}
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("read memory size: no MemTotal in %s", path)
}

// dmiText blanks what board makers leave in when they forget to fill a field.
func dmiText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	switch strings.ToLower(strings.Trim(s, ".")) {
	case "to be filled by o.e.m", "not specified", "default string", "none", "n/a", "system serial number",
		"system product name", "system manufacturer", "0", "0123456789", "00000000-0000-0000-0000-000000000000",
		"03000200-0400-0500-0006-000700080009":
		return ""
	}
	return s
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

func words(s ...string) string { return strings.Join(strings.Fields(strings.Join(s, " ")), " ") }
