package bootparam

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// Params is what the kernel command line asks of a node.
type Params struct {
	Head     string        // base URL of the head, "" without one
	Job      api.Job       // zero where no orbit.job is given
	BootMAC  string        // interface the firmware booted from, lower case with colons, "" if not told
	Patience time.Duration // how long to wait for a network before giving up; 0 = the default
	VLAN     int           // 802.1Q tag of the boot network, 0 = untagged
	IP       string        // ip= as dracut writes it, "" = DHCP
	Consoles []string      // console= values in order
}

// parameter is one word that the node understands. The table below is the
// one place that knows them: Parse, Args and Docs all walk it.
type parameter struct {
	name, value, meaning string
	set                  func(p *Params, value string) error
	get                  func(p Params) string // "" = nothing to say
}

func parameters() []parameter {
	return []parameter{
		{"orbit.head", "URL", "the head to report to and take jobs from, such as `http://10.0.0.1:8080`; without it the node works alone",
			func(p *Params, v string) error { p.Head = strings.TrimRight(v, "/"); return checkURL(v) },
			func(p Params) string { return p.Head }},
		{"orbit.job", "`image`, `save`, `boot`, `inventory`, `burnin`, `shell`", "what to do; with a head, only until the head says otherwise",
			func(p *Params, v string) error { p.Job.Kind = api.Kind(v); return nil },
			func(p Params) string { return string(p.Job.Kind) }},
		{"orbit.id", "TEXT", "the job's name in reports",
			func(p *Params, v string) error { p.Job.ID = v; return nil },
			func(p Params) string { return p.Job.ID }},
		{"orbit.image", "URL", "the image to write (http, https or frisbee://), or where to PUT the saved one",
			func(p *Params, v string) error { p.Job.Image = v; return nil },
			func(p Params) string { return p.Job.Image }},
		{"orbit.sha256", "HEX", "SHA-256 that the image file must have",
			func(p *Params, v string) error { p.Job.SHA256 = v; return nil },
			func(p Params) string { return p.Job.SHA256 }},
		{"orbit.root", "HEX", "root that the Orbit image to write must have, as `orbit image inspect` prints it",
			func(p *Params, v string) error { p.Job.Root = v; return nil },
			func(p Params) string { return p.Job.Root }},
		{"orbit.parent", "URL", "save: an image at the head; only the difference to it is sent",
			func(p *Params, v string) error { p.Job.Parent = v; return nil },
			func(p Params) string { return p.Job.Parent }},
		{"orbit.disk", "SELECTOR", "the disk: a device, `first`, or terms such as `serial=S4EV*`, `bus=nvme,size>=200G`",
			func(p *Params, v string) error { p.Job.Disk = v; return nil },
			func(p Params) string { return p.Job.Disk }},
		{"orbit.then", "`kexec`, `reboot`, `poweroff`, `shell`", "what follows a job that succeeded (image and boot: `kexec`; save: `reboot`; others: `shell`)",
			func(p *Params, v string) error { p.Job.Then = api.Then(v); return nil },
			func(p Params) string { return string(p.Job.Then) }},
		{"orbit.append", "WORDS", "added to the installed system's kernel command line at kexec; quote it",
			func(p *Params, v string) error { p.Job.Append = v; return nil },
			func(p Params) string { return p.Job.Append }},
		{"orbit.grow", "`last`, NUMBER, NAME", "image: the partition that gets the rest of the disk, with its filesystem",
			func(p *Params, v string) error { p.Job.Grow = v; return nil },
			func(p Params) string { return p.Job.Grow }},
		{"orbit.hostname", "NAME", "image: host name of the system that was written",
			func(p *Params, v string) error { p.Job.Hostname = v; return nil },
			func(p Params) string { return p.Job.Hostname }},
		{"orbit.new-machine-id", "`1`", "image: the system that was written gets a machine-id of its own",
			func(p *Params, v string) (err error) { p.Job.NewMachineID, err = truth(v); return err },
			func(p Params) string { return one(p.Job.NewMachineID) }},
		{"orbit.remove-ssh-host-keys", "`1`", "image: the system that was written makes ssh host keys of its own",
			func(p *Params, v string) (err error) { p.Job.RemoveHostKeys, err = truth(v); return err },
			func(p Params) string { return one(p.Job.RemoveHostKeys) }},
		{"orbit.multicast", "`1`", "image: let it come by multicast from the head that has it, and what does not arrive by HTTP",
			func(p *Params, v string) (err error) { p.Job.Multicast, err = truth(v); return err },
			func(p Params) string { return one(p.Job.Multicast) }},
		{"orbit.scrub", "`1`", "save: leave out what belongs to one machine, logs and histories",
			func(p *Params, v string) (err error) { p.Job.Scrub, err = truth(v); return err },
			func(p Params) string { return one(p.Job.Scrub) }},
		{"orbit.patience", "DURATION", "how long to wait for carrier and an address, such as `90s` (default 60s: a switch port may spend 50 s in spanning tree)",
			func(p *Params, v string) (err error) { p.Patience, err = duration(v); return err },
			func(p Params) string {
				if p.Patience == 0 {
					return ""
				}
				return p.Patience.String()
			}},
		{"orbit.vlan", "ID", "802.1Q tag of the network to boot from (1 to 4094)",
			func(p *Params, v string) (err error) { p.VLAN, err = vlan(v); return err },
			func(p Params) string {
				if p.VLAN == 0 {
					return ""
				}
				return strconv.Itoa(p.VLAN)
			}},
		{"ip", "`addr::gateway:mask::interface:none`", "a fixed address instead of DHCP, as dracut writes it",
			func(p *Params, v string) error { p.IP = v; return nil },
			func(p Params) string { return p.IP }},
		{"BOOTIF", "`01-aa-bb-cc-dd-ee-ff`", "the interface the firmware booted from, preferred over the others; pxelinux and iPXE pass it",
			func(p *Params, v string) (err error) { p.BootMAC, err = bootif(v); return err },
			func(p Params) string {
				if p.BootMAC == "" {
					return ""
				}
				return "01-" + strings.ReplaceAll(p.BootMAC, ":", "-")
			}},
	}
}

// Parse reads a kernel command line. A word with a bad value is reported and
// left out; the rest still counts, because a node that cannot be told what is
// wrong with its command line is worse than one that waits with a message.
func Parse(line string) (Params, error) {
	known := map[string]parameter{}
	for _, q := range parameters() {
		known[canonical(q.name)] = q
	}
	var p Params
	var errs []error
	for _, word := range Words(line) {
		name, value := cut(word)
		if name == "console" && value != "" {
			p.Consoles = append(p.Consoles, value)
			continue
		}
		q, ok := known[canonical(name)]
		if !ok {
			if strings.HasPrefix(name, "orbit.") {
				errs = append(errs, fmt.Errorf("kernel parameter %s is unknown (misspelt?)", name))
			}
			continue
		}
		if err := q.set(&p, value); err != nil {
			errs = append(errs, fmt.Errorf("kernel parameter %s=%s: %w", name, value, err))
		}
	}
	if p.Job.Kind != "" {
		if err := p.Job.Validate(); err != nil && p.Head == "" {
			errs = append(errs, err)
		}
	} else if p.Job != (api.Job{}) && p.Head == "" {
		errs = append(errs, errors.New("kernel parameters describe a job but orbit.job is missing"))
	}
	return p, errors.Join(errs...)
}

// Args returns the words, consoles last, that Parse reads back as p.
func (p Params) Args() []string {
	var args []string
	for _, q := range parameters() {
		if v := q.get(p); v != "" {
			args = append(args, join(q.name, v))
		}
	}
	for _, c := range p.Consoles {
		args = append(args, join("console", c))
	}
	return args
}

// Doc is one row of the table of parameters in the README.
type Doc struct{ Name, Value, Meaning string }

// Docs returns every parameter in the order people read them.
func Docs() []Doc {
	var docs []Doc
	for _, q := range parameters() {
		docs = append(docs, Doc{q.name, q.value, q.meaning})
	}
	return docs
}

func checkURL(v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("not an http or https URL")
	}
	return nil
}

// truth reads a switch; its name alone switches it on.
func truth(v string) (bool, error) {
	switch v {
	case "", "1", "yes", "true":
		return true, nil
	case "0", "no", "false":
		return false, nil
	}
	return false, errors.New("neither 1 nor 0")
}

func one(on bool) string {
	if on {
		return "1"
	}
	return ""
}

func duration(v string) (time.Duration, error) {
	if n, err := strconv.Atoi(v); err == nil { // bare seconds
		v = strconv.Itoa(n) + "s"
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, errors.New("not a duration such as 90s")
	}
	return d, nil
}

func vlan(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 4094 {
		return 0, errors.New("not a VLAN from 1 to 4094")
	}
	return n, nil
}

// bootif reads 01-aa-bb-cc-dd-ee-ff: the hardware type of Ethernet, then the
// address. iPXE users write colons, and leave the type out.
func bootif(v string) (string, error) {
	v = strings.ToLower(strings.ReplaceAll(v, "-", ":"))
	if len(v) == len("01:aa:bb:cc:dd:ee:ff") {
		v = strings.TrimPrefix(v, "01:")
	}
	b, err := hex.DecodeString(strings.ReplaceAll(v, ":", ""))
	if err != nil || len(b) != 6 || len(v) != len("aa:bb:cc:dd:ee:ff") {
		return "", errors.New("not an Ethernet address such as 01-aa-bb-cc-dd-ee-ff")
	}
	return v, nil
}
