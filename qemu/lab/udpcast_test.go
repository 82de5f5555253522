package lab

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func castFile(t *testing.T, size int) (path string, data []byte) {
	t.Helper()
	var seed [32]byte
	data = make([]byte, size)
	rand.NewChaCha8(seed).Read(data)
	path = filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestCast(t *testing.T) {
	for _, test := range []struct {
		name string
		i    Impairment
	}{{"good cable", Impairment{}}, {"loss", Impairment{Loss: 0.01}}} {
		t.Run(test.name, func(t *testing.T) {
			l := ForTest(t, Options{Nodes: 2, Rate: 200e6})
			for _, n := range l.Nodes {
				if err := n.Impair(test.i, Impairment{}); err != nil {
					t.Fatal(err)
				}
			}
			path, data := castFile(t, 20_000_000)
			out := func(n *Node) string { return path + "." + n.Name }
			ctx, stop := context.WithTimeout(context.Background(), 15*time.Second)
			defer stop()
			report, err := l.Cast(ctx, Cast{File: path, Out: out, Nodes: l.Nodes})
			if errors.Is(err, ErrNoUDPCast) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range l.Nodes {
				got, err := os.ReadFile(out(n))
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s wrote %d bytes that are not the %d of the file (%v)", n.Name, len(got), len(data), err)
				}
			}
			if report.Elapsed <= 0 || report.Sender.CPU() <= 0 || len(report.Receivers) != 2 || report.Receivers[1].CPU() <= 0 {
				t.Errorf("report %+v", report)
			}
			counters, err := l.Report()
			if err != nil {
				t.Fatal(err)
			}
			if sent := counters.Server.Sent.Bytes; sent < uint64(len(data)) || sent > 19*uint64(len(data))/10 {
				t.Errorf("the server sent %d bytes for a file of %d to two nodes", sent, len(data))
			}
			t.Logf("%v, the sender %v CPU, %.3f x the file sent", report.Elapsed, report.Sender.CPU(), float64(counters.Server.Sent.Bytes)/float64(len(data)))
		})
	}
}

// A transfer that cannot work says why, and does not wait for the others.
func TestCastFails(t *testing.T) {
	l := ForTest(t, Options{Nodes: 2})
	out := func(n *Node) string { return filepath.Join(t.TempDir(), n.Name) }
	_, err := l.Cast(context.Background(), Cast{File: filepath.Join(t.TempDir(), "none"), Out: out, Nodes: l.Nodes})
	if errors.Is(err, ErrNoUDPCast) {
		t.Skip(err)
	}
	if err == nil {
		t.Error("a file that does not exist was sent")
	}
}
