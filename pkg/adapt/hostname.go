package adapt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
)

// maxHostname is what sethostname(2) takes, in bytes.
const maxHostname = 64

// checkHostname wants labels of letters, digits and inner hyphens (RFC 1123,
// section 2.1), joined by dots.
func checkHostname(name string) error {
	if len(name) > maxHostname {
		return fmt.Errorf("hostname %q has %d characters, Linux takes %d", name, len(name), maxHostname)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("hostname %q is an address", name)
	}
	for _, label := range strings.Split(name, ".") {
		switch {
		case label == "":
			return fmt.Errorf("hostname %q has an empty part", name)
		case len(label) > 63:
			return fmt.Errorf("hostname %q has a part of %d characters, 63 are allowed", name, len(label))
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("hostname %q has a hyphen at the edge of a part", name)
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return fmt.Errorf("hostname %q has a character that is not a letter, digit or hyphen", name)
			}
		}
	}
	return nil
}

// setHostname writes hostname(5) and the line of hosts(5) that has the
// machine's own name.
func setHostname(t *tree, name string) error {
	if err := t.write("etc/hostname", strings.NewReader(name+"\n"), system); err != nil {
		return err
	}
	hosts, err := t.read("etc/hosts")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if edited := editHosts(hosts, name); !bytes.Equal(hosts, edited) {
		// A link stays one: what it points to is written.
		real, err := t.resolve("etc/hosts", true)
		if err != nil {
			return err
		}
		return t.write(real, bytes.NewReader(edited), system)
	}
	return nil
}

// editHosts replaces the names of 127.0.1.1, which Debian and its kin give to
// a machine without a fixed address. The domain stays, unless name has its own.
func editHosts(hosts []byte, name string) []byte {
	lines := strings.SplitAfter(string(hosts), "\n")
	for i, line := range lines {
		text := strings.TrimRight(line, "\r\n")
		ending := line[len(text):]
		text, comment, commented := strings.Cut(text, "#")
		fields := strings.Fields(text)
		if len(fields) == 0 || fields[0] != "127.0.1.1" {
			continue
		}
		full := name
		if !strings.Contains(name, ".") && len(fields) > 1 {
			if _, domain, ok := strings.Cut(fields[1], "."); ok {
				full += "." + domain
			}
		}
		short, _, _ := strings.Cut(name, ".")
		names := []string{full}
		if short != full {
			names = append(names, short)
		}
		if slices.Equal(fields[1:], names) {
			continue
		}
		lines[i] = "127.0.1.1\t" + strings.Join(names, " ")
		if commented {
			lines[i] += " #" + comment
		}
		lines[i] += ending
	}
	return []byte(strings.Join(lines, ""))
}
