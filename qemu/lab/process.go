package lab

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// Usage is what ended processes have cost.
type Usage struct {
	User, System time.Duration
	MaxRSS       int64 // bytes, of the largest
}

// CPU is the time of both kinds.
func (u Usage) CPU() time.Duration { return u.User + u.System }

func (u *Usage) add(v Usage) {
	u.User += v.User
	u.System += v.System
	u.MaxRSS = max(u.MaxRSS, v.MaxRSS)
}

// Process is a command on a host. It does not outlive the lab; what it starts
// itself is its own affair.
type Process struct {
	host  *Host
	cmd   *exec.Cmd
	ended chan struct{}
	err   error
	usage Usage
}

// Start starts a command on the host.
func (h *Host) Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := h.space.keep(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", cmd.Path, h.Name, err)
	}
	p := &Process{host: h, cmd: cmd, ended: make(chan struct{})}
	h.mu.Lock()
	h.running[p] = struct{}{}
	h.mu.Unlock()
	go p.wait()
	return p, nil
}

// Run starts a command on the host and waits for its end.
func (h *Host) Run(cmd *exec.Cmd) error {
	p, err := h.Start(cmd)
	if err != nil {
		return err
	}
	return p.Wait()
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	p.usage = Usage{User: p.cmd.ProcessState.UserTime(), System: p.cmd.ProcessState.SystemTime()}
	if r, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.usage.MaxRSS = r.Maxrss << 10
	}
	p.host.mu.Lock()
	delete(p.host.running, p)
	p.host.usage.add(p.usage)
	p.host.mu.Unlock()
	close(p.ended)
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait waits for the end; the error is that of [exec.Cmd.Wait].
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Kill ends the process as a power cut would, and waits for it.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// Usage waits for the end and gives what the process has cost.
func (p *Process) Usage() Usage {
	<-p.ended
	return p.usage
}
