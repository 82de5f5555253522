package pid1

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Level is a kernel log level, syslog(2). Both levels reach the consoles.
type Level int

const (
	Critical Level = 2
	Warning  Level = 4
)

// kmsg writes a line to the kernel's log, which shows it on every console
// without ever blocking on a slow one.
func kmsg(l Level, line string) {
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "orbit:", line)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "<%d>orbit: %s\n", l, line)
}

// PanicTimeout is the kernel's panic= setting: 0 stays for ever, negative
// reboots at once.
func PanicTimeout() time.Duration {
	b, err := os.ReadFile("/proc/sys/kernel/panic")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// look finds a program as a shell would; os/exec is not used in this package.
func look(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && !st.IsDir() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("find program %s: not in PATH=%s", name, os.Getenv("PATH"))
}
