package rejoin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/kexec"
)

// goingDown bounds how long a system may take to stop its services.
const goingDown = 10 * time.Minute

// leave ends the running system so that the loaded kernel starts.
func leave(ctx context.Context, o Options) error {
	if systemd(o) {
		err := throughSystemd(ctx, o)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		o.Log.Warn("systemd does not take the machine down, doing without it", "err", err)
	}
	if err := stopProcesses(ctx, o.Log, "/proc", patience); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	err := kexec.Execute(ctx, o.Log)
	// Nothing is left to go back to; through firmware the node reaches Orbit
	// too, if it boots from the network.
	o.Log.Error("the loaded kernel does not start, rebooting", "err", err)
	return errors.Join(err, kexec.Reboot(ctx, o.Log))
}

// systemd tells whether the system can be left through systemd's
// kexec.target. systemd-shutdown calls kexec(8) first and, at least since 252,
// starts the loaded kernel by itself where there is none; older ones would go
// through firmware.
func systemd(o Options) bool {
	if o.Direct {
		return false
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false
	}
	for _, tool := range []string{"/sbin/kexec", "/usr/sbin/kexec"} {
		if _, err := os.Stat(tool); err == nil {
			return true
		}
	}
	out, err := exec.Command("systemctl", "--version").Output()
	return err == nil && systemdVersion(string(out)) >= 252
}

// systemdVersion reads "systemd 252 (252.39-1~deb12u2)"; 0 if it is not that.
func systemdVersion(out string) int {
	f := strings.Fields(out)
	if len(f) < 2 || f[0] != "systemd" {
		return 0
	}
	digits := f[1]
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, _ := strconv.Atoi(digits)
	return n
}

// throughSystemd starts the kexec target and waits for the end, which kills
// this process too. systemctl kexec sees that a kernel is loaded and leaves it
// at that; starting the target is the same without its questions.
func throughSystemd(ctx context.Context, o Options) error {
	var errs []error
	for _, args := range [][]string{
		{"kexec", "--ignore-inhibitors"},
		{"start", "--no-block", "--job-mode=replace-irreversibly", "kexec.target"},
	} {
		out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
		if err != nil {
			errs = append(errs, fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out))))
			continue
		}
		o.Log.Info("systemd is taking the system down")
		wait := time.NewTimer(goingDown)
		defer wait.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
			return fmt.Errorf("the system is still up after %v (see systemctl list-jobs)", goingDown)
		}
	}
	return errors.Join(errs...)
}
