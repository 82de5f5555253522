package rejoin

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/bootparam"
	"golang.org/x/sys/unix"
)

// consoles returns the console= values of the running system: as its command
// line has them, or else as the kernel uses them now. The last one is
// /dev/console.
func consoles(root string) []string {
	if b, err := os.ReadFile(filepath.Join(root, "proc/cmdline")); err == nil {
		// Parse reports other systems' misspelt words too; only the consoles
		// matter here.
		if p, _ := bootparam.Parse(string(b)); len(p.Consoles) > 0 {
			return p.Consoles
		}
	}
	return activeConsoles(root)
}

// activeConsoles reads /proc/consoles:
//
//	ttyS0                -W- (EC  p a)    4:64
//	tty0                 -WU (E     )     4:7
//
// C marks the one that is /dev/console.
func activeConsoles(root string) []string {
	f, err := os.Open(filepath.Join(root, "proc/consoles"))
	if err != nil {
		return nil
	}
	defer f.Close()
	var list []string
	last := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), " ")
		if !strings.HasPrefix(name, "tty") && !strings.HasPrefix(name, "hvc") {
			continue // netconsole, pstore
		}
		value := name + speed(filepath.Join(root, "dev", name))
		_, flags, _ := strings.Cut(rest, "(")
		flags, _, _ = strings.Cut(flags, ")")
		if strings.Contains(flags, "C") {
			last = value
			continue
		}
		list = append(list, value)
	}
	slices.Reverse(list) // the kernel lists the preferred one first
	if last != "" {
		list = append(list, last)
	}
	return list
}

// speed returns ",115200" for a serial line that runs so, "" for what is no
// serial line. Without it the next kernel would go back to 9600.
func speed(dev string) string {
	if !strings.HasPrefix(filepath.Base(dev), "ttyS") {
		return ""
	}
	fd, err := unix.Open(dev, unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return ""
	}
	for rate, bits := range map[int]uint32{
		9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400, 57600: unix.B57600, 115200: unix.B115200,
		230400: unix.B230400, 460800: unix.B460800, 921600: unix.B921600, 1500000: unix.B1500000,
	} {
		if t.Cflag&(unix.CBAUD|unix.CBAUDEX) == bits {
			return fmt.Sprintf(",%d", rate)
		}
	}
	return ""
}
