package bootos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"github.com/orbit-pxe/orbit/pkg/kexec"
)

// edit says how the command line of an installed system is changed.
type edit struct {
	Consoles    []string // console= values of this node, the last is /dev/console
	KeepConsole bool     // leave the system's own console= alone
	Append      string   // added at the end
	Initrd      bool     // the system has one, which looks for the root itself
}

// apply returns the command line the system is started with. The node's
// consoles come last, so that its /dev/console stays where the node is
// watched; the system's own ones for other devices stay, before them. What
// follows "--" belongs to the system's init and stays at the end. Nothing else
// changes but a root= that is a number and meant for an initrd, see byNumber.
func (e edit) apply(cmdline string, max int) (string, error) {
	words, rest := bootparam.Words(cmdline), []string(nil)
	if i := slices.Index(words, "--"); i >= 0 {
		words, rest = words[:i], words[i:]
	}
	node := map[string]bool{}
	for _, c := range e.Consoles {
		node[device(c)] = true
	}
	var out []string
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		if key == "BOOT_IMAGE" {
			continue // written by boot loaders about themselves
		}
		if key == "console" && !e.KeepConsole && node[device(value)] {
			continue
		}
		out = append(out, w)
	}
	if !e.KeepConsole {
		for _, c := range e.Consoles {
			out = append(out, "console="+c)
		}
	}
	out = append(out, bootparam.Words(e.Append)...)
	if e.Initrd {
		for i, w := range out {
			out[i] = byNumber(w)
		}
	}
	line := strings.Join(append(out, rest...), " ")
	if max <= 0 || max > kexec.MaxCmdline {
		max = kexec.MaxCmdline
	}
	if len(line) > max {
		return "", fmt.Errorf("command line of the installed system is %d bytes long with the node's consoles, its kernel takes %d", len(line), max)
	}
	return line, nil
}

// byNumber rewrites root=0x0301 as the kernel reads it (block/early-lookup.c):
// a device's major and minor number in hexadecimal. The kernel itself still
// does when there is no initrd; initrds don't, but find the link that udev makes.
func byNumber(word string) string {
	hex, ok := strings.CutPrefix(word, "root=0x")
	if !ok {
		return word
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		return word
	}
	return fmt.Sprintf("root=/dev/block/%d:%d", n>>8&0xfff, n&0xff|n>>12&0xfff00)
}

// device is the part of a console= value that names the device:
// "ttyS0" of "ttyS0,115200n8".
func device(console string) string {
	name, _, _ := strings.Cut(console, ",")
	return name
}
