package qemu

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// probeTime bounds the trial guest's life. SeaBIOS under a working KVM takes
// well under a second to reach it.
const probeTime = 5 * time.Second

// kvmWorks runs the trial once for the life of the program.
var kvmWorks = sync.OnceValue(tryKVM)

// accelerator gives QEMU's options for the fastest way to run a guest here. A
// /dev/kvm that opens proves nothing (nested virtualisation may hang the
// guest), so a trial guest has to say a word.
func accelerator() []string {
	if kvmWorks() {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return []string{"-accel", "tcg,thread=multi", "-cpu", "max"}
}

// Accelerated tells whether machines run under KVM: for deadlines and reports.
func Accelerated() bool { return kvmWorks() }

// bootSector prints K on the first serial port, then halts: code of the trial
// guest, for a 16-bit BIOS boot.
var bootSector = []byte{
	0xba, 0xf8, 0x03, // mov dx, 0x3f8
	0xb0, 'K', // mov al, 'K'
	0xee,       // out dx, al
	0xf4,       // hlt
	0xeb, 0xfd, // jmp to the hlt
}

func tryKVM() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	dir, err := os.MkdirTemp("", "kvm")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	sector := make([]byte, 512)
	copy(sector, bootSector)
	sector[510], sector[511] = 0x55, 0xaa
	disk := filepath.Join(dir, "disk")
	if os.WriteFile(disk, sector, 0o600) != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "64",
		"-nodefaults", "-display", "none", "-serial", "stdio", "-drive", "format=raw,if=ide,file="+disk)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	spoke := &firstWord{want: 'K', done: cancel}
	cmd.Stdout = spoke
	cmd.Run() // always ends by the context: killed once it spoke or when time is up
	return spoke.heard
}

// firstWord ends the trial as soon as the guest has spoken.
type firstWord struct {
	want  byte
	heard bool
	done  func()
}

func (w *firstWord) Write(b []byte) (int, error) {
	if bytes.IndexByte(b, w.want) >= 0 {
		w.heard = true
		w.done()
	}
	return len(b), nil
}
