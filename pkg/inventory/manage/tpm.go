package manage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// TPM describes the machine's TPM, nil if there is none.
func TPM(ctx context.Context, h sysfs.Host) (*hardware.TPM, error) {
	c := tpmCollector{host: h}
	if h.Live() {
		c.open = openTPM
	}
	return c.find(ctx)
}

// tpmCollector finds a TPM and asks it.
type tpmCollector struct {
	host sysfs.Host
	open func(name string) (io.ReadWriteCloser, error) // nil: what can't be asked
}

const tpmClass = "/sys/class/tpm/"

func (c tpmCollector) find(ctx context.Context) (*hardware.TPM, error) {
	names, err := c.host.List(tpmClass)
	if err != nil {
		return nil, fmt.Errorf("list TPMs: %w", err)
	}
	if len(names) == 0 {
		return c.without(), nil
	}
	dir := tpmClass + names[0] + "/"
	major, known := c.host.Int(dir + "tpm_version_major")
	caps := c.host.Text(dir + "caps")
	if caps == "" {
		caps = c.host.Text(dir + "device/caps")
	}
	if known && major == 1 || !known && caps != "" {
		return tpm12(caps), nil
	}
	found := hardware.TPM{Version: "2.0"}
	if w := c.without(); w != nil && w.Version == found.Version {
		found = *w
	}
	if c.open == nil {
		return &found, nil
	}
	asked, err := ask(ctx, "the TPM", func(_ context.Context, tell func(hardware.TPM)) error {
		f, err := c.open(names[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return describe(tpm2{f}, tell)
	})
	if asked.Vendor == "" {
		return &found, err
	}
	return &asked, err
}

// without is what the firmware says of a TPM, nil if nothing.
func (c tpmCollector) without() *hardware.TPM {
	t, _ := smbios.Read(c.host) // its faults are told with the system's
	if len(t.TPMs) > 0 && t.TPMs[0].Version != "" {
		f := t.TPMs[0]
		return &hardware.TPM{Version: f.Version, Vendor: f.Vendor, Firmware: f.Firmware}
	}
	const tables = "/sys/firmware/acpi/tables/"
	switch {
	case c.host.Has(tables + "TPM2"):
		return &hardware.TPM{Version: "2.0"}
	case c.host.Has(tables + "TCPA"):
		return &hardware.TPM{Version: "1.2"}
	}
	return nil
}

// describe asks a TPM 2.0 for all that is told of it.
func describe(t tpm2, tell func(hardware.TPM)) error {
	p, err := t.properties()
	if err != nil {
		return fmt.Errorf("ask the TPM for its properties: %w", err)
	}
	found := p.describe()
	tell(found)
	found.EKCert, err = t.ekCert(p.chunk())
	if err == nil {
		tell(found)
	}
	return err
}

// tpm12 decodes what Linux shows of a TPM 1.2: lines such as
//
//	Manufacturer: 0x49465800
//	TCG version: 1.2
//	Firmware version: 3.19
func tpm12(caps string) *hardware.TPM {
	t := &hardware.TPM{Version: "1.2"}
	for line := range strings.Lines(caps) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Manufacturer":
			if n, err := strconv.ParseUint(value, 0, 32); err == nil {
				t.Vendor = smbios.Clean(letters(uint32(n)))
			}
		case "Firmware version":
			t.Firmware = smbios.Clean(value)
		}
	}
	return t
}

// openTPM opens the device through the kernel's resource manager, beside which
// others may use the TPM, or, before Linux 4.12, itself.
func openTPM(name string) (io.ReadWriteCloser, error) {
	path := "/dev/tpmrm" + strings.TrimPrefix(name, "tpm")
	d, err := openDevice(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = "/dev/" + name
		d, err = openDevice(path)
	}
	if err != nil {
		return nil, opened(path, err)
	}
	return d, nil
}
