package manage

import (
	"context"
	"fmt"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// BMC describes the machine's management controller, nil if there is none.
func BMC(ctx context.Context, h sysfs.Host) (*hardware.BMC, error) {
	c := bmcCollector{host: h}
	if h.Live() {
		c.open = openIPMI
	}
	return c.find(ctx)
}

// bmcCollector finds a controller and asks it.
type bmcCollector struct {
	host sysfs.Host
	open func(name string) (send ipmi, end func() error, err error) // nil: what can't be asked
}

func (c bmcCollector) find(ctx context.Context) (*hardware.BMC, error) {
	t, _ := smbios.Read(c.host) // its faults are told with the system's
	names, err := c.host.List("/sys/class/ipmi")
	if err != nil {
		return nil, fmt.Errorf("list management controllers: %w", err)
	}
	known := hardware.BMC{}
	if len(t.IPMI) > 0 {
		known.Interface, known.IPMI = t.IPMI[0].Interface, t.IPMI[0].Version
	} else if len(names) == 0 {
		return nil, nil
	}
	if len(names) == 0 || c.open == nil {
		return &known, nil
	}
	if known.Interface == "" {
		known.Interface = c.host.Text("/sys/class/ipmi/" + names[0] + "/device/type")
	}
	asked, err := ask(ctx, "the BMC", func(ctx context.Context, tell func(hardware.BMC)) error {
		send, end, err := c.open(names[0])
		if err != nil {
			return err
		}
		defer end()
		return interview(ctx, send, known, t.System.UUID, tell)
	})
	return &asked, err
}

// interview asks a controller for all that is told of it.
func interview(ctx context.Context, send ipmi, d hardware.BMC, uuid string, tell func(hardware.BMC)) error {
	tell(d)
	if err := send.deviceID(ctx, &d); err != nil {
		return err // one that doesn't answer this answers nothing
	}
	tell(d)
	lan := send.lan(ctx, &d)
	tell(d)
	if lan != nil {
		return lan
	}
	guid, err := send.guid(ctx, uuid)
	d.GUID = guid
	tell(d)
	return err
}
