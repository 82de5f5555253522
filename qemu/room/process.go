package room

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/orbit-pxe/orbit/qemu/lab"
)

// Process is a role being played.
type Process struct {
	*lab.Process
	host *lab.Host
	role string
	in   io.WriteCloser
	out  *os.File
	read *bufio.Reader
	log  *tail
	peak int64
}

// Start starts a process on a host; ctx kills it. It gets ready and then waits
// for Go.
func Start(ctx context.Context, h *lab.Host, r Role) (*Process, error) {
	told, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{host: h, role: r.name(), log: &tail{}}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), environment+"="+r.name()+" "+string(told))
	cmd.Stderr = p.log
	if os.Getenv("ORBIT_VERBOSE") != "" {
		cmd.Stderr = io.MultiWriter(p.log, os.Stderr)
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// Not StdoutPipe, whose end goes before it is read when lab waits.
	var out *os.File
	if p.out, out, err = os.Pipe(); err != nil {
		return nil, err
	}
	cmd.Stdout, p.read = out, bufio.NewReader(p.out)
	p.Process, err = h.Start(cmd)
	out.Close()
	if err != nil {
		p.in.Close()
		p.out.Close()
		return nil, err
	}
	return p, nil
}

// Ready waits until the process is ready.
func (p *Process) Ready() error {
	line, err := p.read.ReadString('\n')
	if line == readyLine {
		return nil
	}
	// What is not that is the outcome of one that failed.
	if p.in.Close(); err == nil {
		var o outcome
		if err = json.Unmarshal([]byte(line), &o); err == nil {
			err = errors.New(o.Error)
		}
	}
	p.Process.Wait()
	p.out.Close()
	return p.failed(err)
}

// Go has it begin.
func (p *Process) Go() error {
	if _, err := io.WriteString(p.in, goLine); err != nil {
		return p.failed(err)
	}
	return nil
}

// Wait waits until it ends by itself, and gives its error, or what it tells.
func (p *Process) Wait(tells any) error {
	text, err := io.ReadAll(p.read)
	p.in.Close()
	p.out.Close()
	if ended := p.Process.Wait(); ended != nil {
		return p.failed(ended)
	}
	var o outcome
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return p.failed(fmt.Errorf("read what it tells: %w", err))
	}
	p.peak = o.Peak
	if tells != nil {
		if err := json.Unmarshal(o.Told, tells); err != nil {
			return p.failed(err)
		}
	}
	if o.Error != "" {
		return p.failed(errors.New(o.Error))
	}
	return nil
}

// Stop ends one that goes on until it is told, and is else as Wait.
func (p *Process) Stop(tells any) error {
	p.in.Close()
	return p.Wait(tells)
}

// Kill ends it as a power cut would.
func (p *Process) Kill() {
	p.Process.Kill()
	p.in.Close()
	p.out.Close()
}

// Peak is the most memory that the process had, bytes, once it has ended by
// itself.
func (p *Process) Peak() int64 { return p.peak }

func (p *Process) failed(err error) error {
	if said := bytes.TrimSpace(p.log.b); len(said) > 0 {
		return fmt.Errorf("%s on %s: %w: %s", p.role, p.host.Name, err, said)
	}
	return fmt.Errorf("%s on %s: %w", p.role, p.host.Name, err)
}

// tail keeps the end of what a process says. It is read when that has ended.
type tail struct{ b []byte }

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(len(t.b)-tailSize, 0):]
	return len(p), nil
}
