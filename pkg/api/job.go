package api

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Kind is what a job makes a node do.
type Kind string

const (
	Image     Kind = "image"     // write an image to a disk
	Save      Kind = "save"      // read a disk into an image
	Inventory Kind = "inventory" // describe the machine
	Burnin    Kind = "burnin"    // try the machine hard
	Boot      Kind = "boot"      // kexec what the disk would boot
	Shell     Kind = "shell"     // stay up with a shell on the console
)

// Then is what a node does once its job has succeeded.
type Then string

const (
	Kexec    Then = "kexec"    // start the system on the disk, without firmware
	Reboot   Then = "reboot"   // reset through firmware
	Poweroff Then = "poweroff" // switch off
	Stay     Then = "shell"    // stay up with a shell on the console
)

// Job is one order for one node. The kernel command line (package bootparam)
// and the head both express their wish as a Job.
type Job struct {
	ID     string `json:"id,omitempty"` // given by the head, empty without one
	Kind   Kind   `json:"kind"`
	Image  string `json:"image,omitempty"`  // URL to read (image; frisbee:// too) or to PUT to (save)
	SHA256 string `json:"sha256,omitempty"` // of the image file as stored, hex; "" = not checked
	Root   string `json:"root,omitempty"`   // that the Orbit image to write must have, hex; "" = any
	Parent string `json:"parent,omitempty"` // save: URL of the image that only the difference to is sent
	Disk   string `json:"disk,omitempty"`   // device or selector, see package blockdev
	Then   Then   `json:"then,omitempty"`   // "" means DefaultThen
	Append string `json:"append,omitempty"` // added to the installed system's kernel command line

	// How the system that was written is fitted to its disk and machine.
	Grow           string `json:"grow,omitempty"`              // partition that gets the rest of the disk: "last", a number, a name or label
	Hostname       string `json:"hostname,omitempty"`          // "" = that of the image
	NewMachineID   bool   `json:"newMachineID,omitempty"`      // in place of the image's
	RemoveHostKeys bool   `json:"removeSSHHostKeys,omitempty"` // the system makes new ones when it starts

	// Multicast has the bytes of an image come by multicast, from the head that its
	// URL is of. By HTTP comes what does not arrive, or all of it.
	Multicast bool `json:"multicast,omitempty"`

	Scrub bool `json:"scrub,omitempty"` // save: leave out what belongs to one machine, logs and histories

	Burnin *BurninOptions `json:"burnin,omitempty"` // burnin: for how long, and what; nil is all of the defaults
}

// DefaultThen is what follows a job of this kind when it does not say.
func (k Kind) DefaultThen() Then {
	switch k {
	case Image, Boot:
		return Kexec
	case Save:
		return Reboot
	}
	return Stay
}

// Validate tells why a job cannot be run, as far as its values show.
func (j Job) Validate() error {
	var errs []error
	switch j.Kind {
	case Image, Save:
		switch {
		case j.Kind == Image && !isURL(j.Image) && !IsFrisbee(j.Image):
			errs = append(errs, fmt.Errorf("job %s: image %q is not an http or https URL, nor frisbee://GROUP:PORT or frisbee://SERVER/ID", j.Kind, j.Image))
		case j.Kind == Save && !isURL(j.Image):
			errs = append(errs, fmt.Errorf("job %s: image %q is not an http or https URL", j.Kind, j.Image))
		}
		if j.Disk == "" {
			errs = append(errs, fmt.Errorf("job %s: no disk named (give a device, a selector such as serial=X, or first)", j.Kind))
		}
	case Burnin:
		errs = append(errs, j.Burnin.Validate())
	case Inventory, Boot, Shell:
	default:
		errs = append(errs, fmt.Errorf("job kind %q unknown (want image, save, inventory, burnin, boot or shell)", j.Kind))
	}
	switch j.Then {
	case "", Kexec, Reboot, Poweroff, Stay:
	default:
		errs = append(errs, fmt.Errorf("job then %q unknown (want kexec, reboot, poweroff or shell)", j.Then))
	}
	for name, hex := range map[string]string{"sha256": j.SHA256, "root": j.Root} {
		if hex != "" && !isHex(hex, 64) {
			errs = append(errs, fmt.Errorf("job %s %q is not 64 hexadecimal digits", name, hex))
		}
	}
	return errors.Join(append(errs, j.misplaced())...)
}

// misplaced tells of values that a job of this kind has no use for: whoever
// gave them expects something that will not happen.
func (j Job) misplaced() error {
	var errs []error
	for _, f := range []struct {
		name string
		kind Kind
		set  bool
	}{
		{"root", Image, j.Root != ""},
		{"multicast", Image, j.Multicast},
		{"grow", Image, j.Grow != ""},
		{"hostname", Image, j.Hostname != ""},
		{"new machine-id", Image, j.NewMachineID},
		{"removing ssh host keys", Image, j.RemoveHostKeys},
		{"parent", Save, j.Parent != ""},
		{"scrub", Save, j.Scrub},
		{"burnin", Burnin, j.Burnin != nil},
	} {
		if f.set && j.Kind != f.kind {
			errs = append(errs, fmt.Errorf("job %s: %s is for jobs of kind %s", j.Kind, f.name, f.kind))
		}
	}
	if j.Parent != "" && !isURL(j.Parent) {
		errs = append(errs, fmt.Errorf("job %s: parent %q is not an http or https URL", j.Kind, j.Parent))
	}
	return errors.Join(errs...)
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// IsFrisbee tells whether an image is named by the frisbee server, which may be on
// a certain interface of the node, or by the master server that has it.
func IsFrisbee(image string) bool {
	const scheme = "frisbee://"
	if len(image) < len(scheme) || !strings.EqualFold(image[:len(scheme)], scheme) {
		return false
	}
	if peer, iface, zoned := strings.Cut(image[len(scheme):], "%"); zoned && !strings.Contains(peer, "/") {
		_, err := netip.ParseAddrPort(peer)
		return err == nil && iface != "" && !strings.ContainsAny(iface, "/% \t\r\n")
	}
	u, err := url.Parse(image)
	return err == nil && u.Hostname() != ""
}

func isHex(s string, n int) bool {
	for _, c := range s {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return len(s) == n
}
