package multicast

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary also be a receiver: a process of its own, so
// that what it takes of the CPU is not the sender's.
func TestMain(m *testing.M) {
	if os.Getenv("MULTICAST_RECEIVER") != "" {
		drink(os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// drink receives until in ends, and says what that cost.
func drink(in io.Reader) {
	cfg := paths[os.Getenv("MULTICAST_RECEIVER")]
	cfg.Peer, cfg.Interface, cfg.ReceiveBuffer = group, "eth0", 8<<20
	c, err := Open(cfg)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, in)
		cancel()
	}()
	fmt.Println("ready")
	var bytes int
	before := usage(unix.RUSAGE_SELF)
	for {
		batch, err := c.Receive(ctx, time.Time{})
		if err != nil {
			break
		}
		for i := range batch {
			bytes += len(batch[i].Data)
		}
	}
	s := c.Stats()
	fmt.Println(usage(unix.RUSAGE_SELF)-before, bytes, s.RecvCalls, s.Dropped)
	c.Close()
}

// paths are the ways to the kernel.
var paths = map[string]Config{
	"single":  {NoOffload: true, Batch: 1},
	"batch":   {NoOffload: true},
	"offload": {},
}

// usage is the CPU time so far, in seconds.
func usage(who int) float64 {
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		panic(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// softirq is the CPU time that the kernel's threads for network work took, in
// seconds: part of the work of sending lands there when there is much of it.
func softirq() float64 {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	var ticks float64
	for _, n := range names {
		if comm, _ := os.ReadFile(n); !strings.HasPrefix(string(comm), "ksoftirqd/") {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(n), "stat"))
		f := strings.Fields(string(stat))
		if len(f) < 15 {
			continue
		}
		t, _ := strconv.ParseFloat(f[14], 64)
		ticks += t
	}
	return ticks / 100
}

// glass is a receiver process.
type glass struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func pour(b *testing.B, s *space, path string) *glass {
	b.Helper()
	g := &glass{cmd: exec.Command(os.Args[0])}
	g.cmd.Env = append(os.Environ(), "MULTICAST_RECEIVER="+path)
	g.cmd.Stderr = os.Stderr
	var err error
	if g.in, err = g.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	g.out = bufio.NewReader(out)
	s.do(func() { err = g.cmd.Start() }) // a process starts in its thread's namespace
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.in.Close(); g.cmd.Wait() })
	if line, err := g.out.ReadString('\n'); line != "ready\n" {
		b.Fatal(line, err)
	}
	return g
}

// empty ends the process and gives what it counted.
func (g *glass) empty(b *testing.B) (cpu, bytes, calls, dropped float64) {
	b.Helper()
	g.in.Close()
	if _, err := fmt.Fscan(g.out, &cpu, &bytes, &calls, &dropped); err != nil {
		b.Fatal(err)
	}
	return cpu, bytes, calls, dropped
}

const (
	blockSize = 1024
	headSize  = 24
	gigabyte  = 1e9
)

// blocks is a chunk of 1 MiB as frisbee sends it, by 32 blocks at a time.
func blocks() [][]Packet {
	head, data := make([]byte, headSize), make([]byte, 1024*blockSize)
	var all [][]Packet
	for len(data) > 0 {
		var burst []Packet
		for range 32 {
			burst = append(burst, Packet{head, data[:blockSize]})
			data = data[blockSize:]
		}
		all = append(all, burst)
	}
	return all
}

// wires are what the machines are joined by: veth pairs as they are, which
// hand a large buffer on whole, or with their ends set as most network cards
// are: the kernel cuts up what it sends, and joins what it receives.
var wires = []string{"veth", "nic"}

// BenchmarkSend measures the server's CPU time for each gigabyte of blocks.
// The bridge and the way into the receivers' sockets run on the sender's time.
func BenchmarkSend(b *testing.B) {
	for _, wire := range wires {
		for _, to := range []struct {
			n    int
			path string
		}{{1, "batch"}, {1, "offload"}, {4, "offload"}} {
			for _, path := range []string{"single", "batch", "offload"} {
				b.Run(fmt.Sprintf("%s/%s/to=%dx%s", path, wire, to.n, to.path), func(b *testing.B) {
					benchmark(b, wire, to.n, path, to.path)
				})
			}
		}
	}
}

// BenchmarkReceive measures a client's CPU time for each gigabyte of blocks.
func BenchmarkReceive(b *testing.B) {
	for _, wire := range wires {
		for _, path := range []string{"single", "batch", "offload"} {
			b.Run(path+"/"+wire, func(b *testing.B) { benchmark(b, wire, 1, "offload", path) })
		}
	}
}

func benchmark(b *testing.B, wire string, n int, path, receiver string) {
	r := newRoom(b, n+1)
	if wire == "nic" {
		r.nodes[0].feature(b, "eth0", "tx-udp-segmentation", false)
		for _, s := range r.nodes[1:] {
			s.feature(b, "eth0", "rx-gro", true)
			// A veth joins only what comes from one that does not cut.
			for _, f := range []string{"tcp", "tcp-ecn", "tcp-mangleid", "tcp6"} {
				r.bridge.feature(b, portOf(s, "br0"), "tx-"+f+"-segmentation", false)
			}
		}
	}
	cfg := paths[path]
	cfg.Peer, cfg.Interface = group, "eth0"
	c := r.nodes[0].open(b, cfg)
	var glasses []*glass
	for _, s := range r.nodes[1:] {
		glasses = append(glasses, pour(b, s, receiver))
	}
	chunk := blocks()
	b.SetBytes(1024 * blockSize)
	before, soft := usage(unix.RUSAGE_SELF), softirq()
	for b.Loop() {
		for _, burst := range chunk {
			if _, err := c.Send(b.Context(), burst); err != nil {
				b.Fatal(err)
			}
		}
	}
	sent := float64(b.N) * 1024 * blockSize / gigabyte
	b.ReportMetric((usage(unix.RUSAGE_SELF)-before)/sent, "server-s/GB")
	b.ReportMetric((softirq()-soft)/sent, "softirq-s/GB")
	b.ReportMetric(float64(c.Stats().SendCalls)/sent/1000, "server-kcalls/GB")
	var got float64
	for _, g := range glasses {
		cpu, bytes, calls, _ := g.empty(b)
		got += bytes / gigabyte / float64(n)
		if g == glasses[0] {
			b.ReportMetric(cpu/(bytes/gigabyte), "client-s/GB")
			b.ReportMetric(calls/(bytes/gigabyte)/1000, "client-kcalls/GB")
		}
	}
	b.ReportMetric(100*got/(sent*(headSize+blockSize)/blockSize), "%arrived")
}
