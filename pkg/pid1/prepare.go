package pid1

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

type mount struct {
	source, target, fstype string
	flags                  uintptr
	data                   string
}

type link struct{ old, new string }

// Prepare turns the bare rootfs of an initramfs into a system that programs
// can live in: mounts, /dev/fd, environment, loopback, console log level.
// What fails is reported and does not keep the rest from happening.
func Prepare() error {
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	unix.Umask(0o022)
	for _, m := range mounts() {
		note("mount "+m.target, m.do())
	}
	for _, l := range links() {
		if err := os.Symlink(l.old, l.new); !errors.Is(err, os.ErrExist) {
			note("link "+l.new, err)
		}
	}
	note("open /dev/console", stdio("/dev/console"))
	for name, value := range environment() {
		os.Setenv(name, value)
	}
	os.MkdirAll(os.Getenv("HOME"), 0o700)
	os.Chdir("/")
	note("protect process 1 from the out-of-memory killer", os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0))
	note("set the host name", unix.Sethostname([]byte("orbit")))
	note("bring loopback up", loopbackUp())
	note("take Ctrl-Alt-Del over", unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF))
	note("quieten kernel messages", quietKernel())
	return errors.Join(errs...)
}

func mounts() []mount {
	const safe = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	all := []mount{
		{"proc", "/proc", "proc", safe, ""},
		{"sysfs", "/sys", "sysfs", safe, ""},
		{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
		{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		{"efivarfs", "/sys/firmware/efi/efivars", "efivarfs", safe, ""},
	}
	return all
}

// do mounts, unless something of the kind is there already. There is nothing
// to mount efivarfs on when the firmware is not UEFI: then that is skipped.
func (m mount) do() error {
	if m.fstype == "efivarfs" {
		if _, err := os.Stat(m.target); err != nil {
			return nil
		}
	} else if err := os.MkdirAll(m.target, 0o755); err != nil {
		return err
	}
	err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.data)
	if errors.Is(err, unix.EBUSY) {
		return nil
	}
	return err
}

func links() []link {
	return []link{
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
		{"/proc/self/mounts", "/etc/mtab"},
	}
}

func environment() map[string]string {
	return map[string]string{
		"PATH": "/bbin:/bin:/sbin:/usr/bin:/usr/sbin",
		"HOME": "/root",
		"TERM": "linux",
		"USER": "root",
	}
}

// stdio points descriptors 0 to 2 at the console, for they may be closed or
// /dev/null if the initramfs brought no /dev/console of its own.
func stdio(console string) error {
	fd, err := unix.Open(console, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for std := range 3 {
		if err := unix.Dup3(fd, std, 0); err != nil {
			return err
		}
	}
	return nil
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// quietKernel lets only warnings and worse reach the consoles, so that a
// prompt stays usable. dmesg has the rest. Whoever gave the kernel a log level
// on its command line keeps it.
func quietKernel() error {
	line, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	wished := func(word string) bool {
		return word == "debug" || word == "quiet" || word == "ignore_loglevel" || strings.HasPrefix(word, "loglevel=")
	}
	if slices.ContainsFunc(strings.Fields(string(line)), wished) {
		return nil
	}
	const (
		setConsoleLevel  = 8 // SYSLOG_ACTION_CONSOLE_LEVEL, syslog(2)
		warningsAndWorse = 5
	)
	_, _, errno := unix.Syscall(unix.SYS_SYSLOG, setConsoleLevel, 0, warningsAndWorse)
	if errno != 0 {
		return errno
	}
	return nil
}
