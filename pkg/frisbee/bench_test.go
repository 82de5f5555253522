package frisbee

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// cpu is what this process has used so far.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkServer sends to a group that nobody is in, so that the time is the
// server's alone: reading, pacing, system calls, and the kernel's sending.
func BenchmarkServer(b *testing.B) {
	for _, plain := range []bool{false, true} {
		b.Run(map[bool]string{false: "batched", true: "block by block"}[plain], func(b *testing.B) {
			const size = 64 << 20
			// As on a real card, what the kernel cuts up is cut by the card.
			l := lab.ForTest(b, lab.Options{Nodes: 1, Offload: true})
			var s *Server
			o := ServerOptions{File: bytes.NewReader(file(size)), Size: size, Peer: group, Interface: lab.Interface, Rate: 100e9, Plain: plain}
			if err := l.Server.Do(func() (err error) { s, err = NewServer(o); return err }); err != nil {
				b.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.Run(b.Context()) }()
			b.Cleanup(func() { s.Close(); <-done })
			b.SetBytes(size)
			used := cpu(b)
			b.ResetTimer()
			want := uint64(0)
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for b.Loop() {
				for k := range int32(size >> 20) {
					m := wire.Partial{Chunk: k}
					m.Blocks.SetRange(0, wire.MaxBlocks)
					s.want([4]byte{10, 98, 1, 1}, &m)
				}
				until := time.Now().Add(time.Minute)
				for want += size; s.count.bytes.Load() < want; <-tick.C {
					if time.Now().After(until) {
						b.Fatalf("%d of %d bytes were sent", s.count.bytes.Load(), want)
					}
				}
			}
			b.ReportMetric((cpu(b)-used).Seconds()/float64(want)*1e9, "cpu-s/GB")
		})
	}
}

// BenchmarkRoom is the time until all of a room have a file, at 200 Mbit/s.
func BenchmarkRoom(b *testing.B) {
	const size = 32 << 20
	for _, nodes := range []int{1, 4, 16, 32} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			l := lab.ForTest(b, lab.Options{Nodes: nodes, Rate: 200e6})
			data := file(size)
			o := ClientOptions{
				Peer: group, Interface: lab.Interface, Buffers: 8,
				Chunk: func(context.Context, int32, []byte) error { return nil },
			}
			b.SetBytes(size)
			var sent uint64
			for b.Loop() {
				s := serve(b, l, data, ServerOptions{})
				var w sync.WaitGroup
				for _, n := range l.Nodes {
					var c *Client
					if err := n.Do(func() (err error) { c, err = NewClient(o); return err }); err != nil {
						b.Fatal(err)
					}
					w.Go(func() {
						if err := c.Run(b.Context()); err != nil {
							b.Error(err)
						}
					})
				}
				w.Wait()
				sent += s.Stats().Bytes
				s.end()
			}
			b.ReportMetric(float64(sent)/float64(b.N)/size, "sent/file")
		})
	}
}
