package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Options say what kind of rack is wanted. The zero value is a private network
// with logs in a temporary directory that Close removes.
type Options struct {
	Dir         string       // console and process logs; made if missing, kept. "" = temporary
	Log         *slog.Logger // what the rack does; nil = silent
	UserNetwork bool         // user-mode network although a private one may be possible
}

// Rack is a private network with nodes and servers on it.
type Rack struct {
	Head string // the head's address as nodes reach it
	Dir  string // logs

	log    *slog.Logger
	work   string  // sockets, firmware variables; short, since socket paths are
	holder *holder // nil on the user-mode network
	keeper *holder // removes work on the user-mode network

	mu       sync.Mutex
	machines []*Machine
	others   []*Process
	servers  []*http.Server
	taps     int
}

const (
	headAddress = "10.7.0.1" // on br0, /24
	userHead    = "10.0.2.2" // the host as QEMU's user-mode network shows it
)

// New makes a rack. Close it, or end the program in any way, and everything
// that runs on it ends too.
func New(o Options) (*Rack, error) {
	work, err := os.MkdirTemp("", "rack")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the rack: %w", err)
	}
	r := &Rack{Dir: o.Dir, log: o.Log, work: work, Head: userHead}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.Dir == "" {
		r.Dir = work
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		os.RemoveAll(work)
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	if !o.UserNetwork {
		err := r.private()
		if err == nil {
			return r, nil
		}
		r.log.Warn("no private network here; nodes get QEMU's user-mode network, without PXE from our own servers", "cause", err)
	}
	if r.keeper, err = startHolder(work, false); err != nil {
		os.RemoveAll(work)
		return nil, err
	}
	return r, nil
}

// Scratch is a directory that goes away with the rack.
func (r *Rack) Scratch() string { return r.work }

// Private tells whether the rack has its own Ethernet, as PXE needs.
func (r *Rack) Private() bool { return r.holder != nil }

// private makes the namespace and its bridge.
func (r *Rack) private() error {
	h, err := startHolder(r.work, true)
	if err != nil {
		return err
	}
	r.holder = h
	err = r.ip("link set lo up",
		"link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
		"address add "+headAddress+"/24 dev br0",
		"link set br0 up")
	if err == nil {
		// A tap needs more than the namespace: the right to open /dev/net/tun.
		err = r.ip("tuntap add dev probe mode tap", "link delete probe")
	}
	if err != nil {
		r.holder = nil
		work := r.work
		h.close() // takes the directory with it
		return errors.Join(err, os.MkdirAll(work, 0o700))
	}
	r.Head = headAddress
	return nil
}

// ip runs commands of ip(8) in the rack's namespace.
func (r *Rack) ip(lines ...string) error {
	name, args := r.holder.enter("ip", []string{"-batch", "-"})
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up the rack's network: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// tap adds a port to the bridge and names it.
func (r *Rack) tap() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := fmt.Sprintf("tap%d", r.taps)
	r.taps++
	return name, r.ip("tuntap add dev "+name+" mode tap",
		"link set "+name+" master br0", "link set "+name+" up")
}

// Command is exec.CommandContext on the rack's network: what it starts sees
// br0 and nothing else, and does not outlive this program.
func (r *Rack) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if r.holder != nil {
		name, args = r.holder.enter(name, args)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Client is an HTTP client on the rack's network.
func (r *Rack) Client() *http.Client {
	if r.holder == nil {
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		f, err := r.holder.socket(ctx, "dial", network, address)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return net.FileConn(f)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
}

// Serve answers HTTP requests of nodes until the rack closes; it returns the
// server's URL as nodes reach it, without a slash at the end.
func (r *Rack) Serve(h http.Handler) (url string, err error) {
	l, err := r.listen()
	if err != nil {
		return "", fmt.Errorf("listen on the rack's network: %w", err)
	}
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug)}
	r.mu.Lock()
	r.servers = append(r.servers, s)
	r.mu.Unlock()
	go s.Serve(l)
	_, port, err := net.SplitHostPort(l.Addr().String())
	return "http://" + net.JoinHostPort(r.Head, port), err
}

func (r *Rack) listen() (net.Listener, error) {
	if r.holder == nil {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	f, err := r.holder.socket(context.Background(), "listen", "tcp", headAddress+":0")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return net.FileListener(f)
}

// Close ends every machine, process and server of the rack and its network. A
// second call does nothing.
func (r *Rack) Close() error {
	r.mu.Lock()
	machines, others, servers := r.machines, r.others, r.servers
	space, keeper := r.holder, r.keeper
	r.machines, r.others, r.servers, r.holder, r.keeper = nil, nil, nil, nil, nil
	r.mu.Unlock()
	var errs []error
	for _, m := range machines {
		m.Kill()
	}
	for _, p := range others {
		p.Stop()
	}
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	for _, h := range []*holder{space, keeper} {
		if h != nil {
			errs = append(errs, h.close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(r.work))...)
}

// Process is a server that runs beside the nodes.
type Process struct {
	Log    string // file with its output
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Run starts a program on the rack's network, its output kept in NAME.log.
func (r *Rack) Run(name string, argv ...string) (*Process, error) {
	p := &Process{Log: filepath.Join(r.Dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	cmd := r.Command(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r.log.Info("process started", "name", name, "pid", cmd.Process.Pid, "log", p.Log)
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	r.mu.Lock()
	r.others = append(r.others, p)
	r.mu.Unlock()
	return p, nil
}

// Stop ends the process and waits for it.
func (p *Process) Stop() {
	p.cancel()
	<-p.done
}

// Ready waits until url answers with anything, or the process ends.
func (p *Process) Ready(ctx context.Context, client *http.Client, url string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
			return resp.Body.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it answered: %v\n%s", url, p.err, tailOf(p.Log, 20))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w\n%s", url, err, tailOf(p.Log, 20))
		case <-tick.C:
		}
	}
}

// tailOf gives a file's last lines for a message.
func tailOf(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return tail(string(b), lines)
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
