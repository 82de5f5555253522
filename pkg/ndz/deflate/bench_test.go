package deflate

import (
	"bytes"
	std "compress/flate"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/flate"
)

// BenchmarkDeflate is the choice of this encoder over others, on the test's own
// binary: pieces of a MiB, each a stream of its own.
func BenchmarkDeflate(b *testing.B) {
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	const piece = 1 << 20
	run := func(name string, pack func(w io.Writer, p []byte)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			var z bytes.Buffer
			for b.Loop() {
				z.Reset()
				for p := data; len(p) > 0; p = p[min(piece, len(p)):] {
					pack(&z, p[:min(piece, len(p))])
				}
			}
			b.ReportMetric(float64(z.Len())/float64(len(data)), "ratio")
		})
	}
	e := new(Encoder)
	var out []byte
	run("ours", func(w io.Writer, p []byte) {
		e.Reset(0)
		out = out[:0]
		for at := 0; at < len(p); at += MaxBlock {
			out = e.Append(out, p, at, min(at+MaxBlock, len(p)))
		}
		w.Write(append(out, Tail[:]...))
	})
	for level := 1; level <= 4; level++ {
		f, _ := flate.NewWriter(nil, level)
		run(fmt.Sprintf("klauspost %d", level), func(w io.Writer, p []byte) {
			f.Reset(w)
			f.Write(p)
			f.Close()
		})
	}
	run("klauspost stateless", func(w io.Writer, p []byte) { flate.StatelessDeflate(w, p, true, nil) })
	f, _ := std.NewWriter(nil, 1)
	run("standard library 1", func(w io.Writer, p []byte) {
		f.Reset(w)
		f.Write(p)
		f.Close()
	})
}
