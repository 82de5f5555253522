package api

import (
	"errors"
	"fmt"
	"net/url"
)

// Kind is what a job makes a node do.
type Kind string

const (
	Image     Kind = "image"     // write an image to a disk
	Save      Kind = "save"      // read a disk into an image
	Inventory Kind = "inventory" // describe the machine
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
	Image  string `json:"image,omitempty"`  // URL to read (image) or to PUT to (save)
	SHA256 string `json:"sha256,omitempty"` // of the image file as stored, hex; "" = not checked
	Disk   string `json:"disk,omitempty"`   // device or selector, see package blockdev
	Then   Then   `json:"then,omitempty"`   // "" means DefaultThen
	Append string `json:"append,omitempty"` // added to the installed system's kernel command line
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
		if u, err := url.Parse(j.Image); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
			errs = append(errs, fmt.Errorf("job %s: image %q is not an http or https URL", j.Kind, j.Image))
		}
		if j.Disk == "" {
			errs = append(errs, fmt.Errorf("job %s: no disk named (give a device, a selector such as serial=X, or first)", j.Kind))
		}
	case Inventory, Boot, Shell:
	default:
		errs = append(errs, fmt.Errorf("job kind %q unknown (want image, save, inventory, boot or shell)", j.Kind))
	}
	switch j.Then {
	case "", Kexec, Reboot, Poweroff, Stay:
	default:
		errs = append(errs, fmt.Errorf("job then %q unknown (want kexec, reboot, poweroff or shell)", j.Then))
	}
	if j.SHA256 != "" && !isHex(j.SHA256, 64) {
		errs = append(errs, fmt.Errorf("job sha256 %q is not 64 hexadecimal digits", j.SHA256))
	}
	return errors.Join(errs...)
}

func isHex(s string, n int) bool {
	for _, c := range s {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return len(s) == n
}
