package inventory

import (
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

func TestBound(t *testing.T) {
	o := Options{Each: time.Second, LLDP: 31 * time.Second}
	for section, want := range map[string]time.Duration{"disks": 2 * time.Second, "nics": 32 * time.Second, "pci": time.Second} {
		if got := o.bound(section); got != want {
			t.Errorf("%s: %v, want %v", section, got, want)
		}
	}
	o.LLDP = -1
	if got := o.bound("nics"); got != time.Second {
		t.Errorf("nics without LLDP: %v", got)
	}
}

// A machine has the same id when its system could not be learned in time.
func TestIdentity(t *testing.T) {
	const uuid = "4c4c4544-0042-3510-8052-b4c04f4e4e32"
	h := sysfs.Host{Root: machine(t)}
	for want, s := range map[string]*hardware.System{
		uuid: nil, "one": {UUID: "one", Serial: "two"}, "two": {Serial: "two"}, "b0:83:fe:00:00:01": {},
	} {
		if got := identity(h, s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
