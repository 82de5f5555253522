package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/bootos"
	"github.com/orbit-pxe/orbit/pkg/inventory"
	"github.com/orbit-pxe/orbit/pkg/kexec"
)

// Machine is what the agent does to the machine it runs on, beside running
// programs. The last three do not return if they succeed.
type Machine struct {
	Hello    func(context.Context) (api.Hello, error) // what the machine is made of, quickly
	Name     func(host string) error
	Shells   func()                                                     // open a shell on every console
	Resolve  func(ctx context.Context, selector string) (string, error) // path of the one disk that is meant
	Load     func(context.Context, bootos.Options) error                // what that disk would boot, into memory
	Kexec    func(context.Context) error
	Reboot   func(context.Context) error
	Poweroff func(context.Context) error
}

// ThisMachine acts on the machine for real.
func ThisMachine(log *slog.Logger) Machine {
	return Machine{
		Hello:    func(ctx context.Context) (api.Hello, error) { return inventory.Hello(ctx, "/") },
		Name:     func(host string) error { return unix.Sethostname([]byte(host)) },
		Shells:   func() { unix.Kill(1, unix.SIGHUP) }, // process 1 understands
		Resolve:  func(ctx context.Context, selector string) (string, error) { return resolve(ctx, selector, log) },
		Load:     func(ctx context.Context, o bootos.Options) error { return bootos.Boot(ctx, o, log) },
		Kexec:    func(ctx context.Context) error { return kexec.Execute(ctx, log) },
		Reboot:   func(ctx context.Context) error { return kexec.Reboot(ctx, log) },
		Poweroff: func(ctx context.Context) error { return kexec.Poweroff(ctx, log) },
	}
}

// resolve finds the disk again after the job; it is there already, so the wait
// is only for a controller that was reset.
func resolve(ctx context.Context, selector string, log *slog.Logger) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	t, err := blockdev.Resolve(ctx, selector, log)
	return t.Path, err
}

// tune bounds dirty pages: at the default of a fifth of memory, a write that
// goes through the page cache would push a small node, whose root is memory
// that cannot be evicted, out of memory.
func (a *agent) tune() {
	if os.Getpid() == 1 || os.Getppid() != 1 {
		return // a machine that is not ours
	}
	if err := os.WriteFile("/proc/sys/vm/dirty_bytes", []byte(strconv.Itoa(64<<20)), 0); err != nil {
		a.Log.Warn("bound dirty pages", "err", err)
	}
}

// memoryLimit is what a program started now may use: most of what is free.
func memoryLimit() string {
	const least = 48 << 20
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "off"
	}
	return strconv.FormatInt(max(least, available(b)*6/10), 10)
}

func available(meminfo []byte) (n int64) {
	for line := range bytes.Lines(meminfo) {
		if rest, ok := bytes.CutPrefix(line, []byte("MemAvailable:")); ok {
			var kib int64
			fmt.Sscan(string(rest), &kib)
			return kib << 10
		}
	}
	return 0
}
