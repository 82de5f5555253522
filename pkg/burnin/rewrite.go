package burnin

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/orbit-pxe/orbit/pkg/units"
)

const (
	// zone is what is written in order; zones follow one another all over the disk.
	zone = 64 << 20
	// endSize is what is cleared at both ends afterwards, where partition tables are.
	endSize = 1 << 20
	// stripe is what tells, by itself, where it belongs: no sector is smaller.
	stripe = 512
)

// rewrite writes patterns all over the disk, as far as there is time, and reads them
// back, in passes of different ones. What is on the disk afterwards is nothing that
// looks like anything.
func (x *exercise) rewrite(ctx context.Context) (err error) {
	defer func() {
		if e := x.clearEnds(); err == nil {
			err = e
		}
	}()
	all := x.Size() / int64(x.size)
	for pass := uint64(0); x.more(int(pass)) && ctx.Err() == nil && time.Now().Before(x.until) && x.faults.count() < enough; pass++ {
		seed := mix(x.Seed + pass)
		// Reading back gets as much time as writing.
		n := x.each(ctx, time.Now().Add(time.Until(x.until)/2), x.size, all, func(i int64, buf []byte) {
			off := x.place(i, all) * int64(x.size)
			p := buf[:x.size]
			fillStripes(p, off, seed)
			k, err := x.WriteAt(p, off)
			x.bytes.Add(int64(k))
			x.meter.add(k)
			if err != nil {
				x.faults.add(func() string { return err.Error() })
			}
		})
		if err := x.DropCache(); err != nil {
			return err
		}
		back := x.each(ctx, x.until, x.size, n, func(i int64, buf []byte) {
			off := x.place(i, all) * int64(x.size)
			got, want := buf[:x.size], buf[x.size:2*x.size]
			if !x.read(got, off) {
				return
			}
			fillStripes(want, off, seed)
			if at := differ(got, want); at >= 0 {
				x.faults.add(func() string { return misread(got, want, at, off, seed) })
			}
		})
		if back < n {
			if pass == 0 && ctx.Err() == nil && x.faults.count() < enough {
				x.warn(x.step, fmt.Sprintf("%s: there was no time to read back %s of %s written", x.path,
					units.Bytes((n-back)*int64(x.size)), units.Bytes(n*int64(x.size))))
			}
			return nil
		}
		x.passes++
	}
	return nil
}

// place is the chunk that is written as the nth of all: zones in an order that
// soon has some everywhere on the disk, and their chunks one after the other.
func (x *exercise) place(n, all int64) int64 {
	per := int64(zone / x.size)
	whole := all / per
	if whole < 2 || n >= whole*per {
		return n // the rest is behind all zones
	}
	step := int64(float64(whole)*0.6180339887) | 1
	for gcd(step, whole) != 1 {
		step += 2
		if step >= whole {
			step = 1
		}
	}
	return n/per*step%whole*per + n%per
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// clearEnds leaves a disk without partition tables, old or of patterns.
func (x *exercise) clearEnds() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace/3)
	defer cancel()
	end := x.Size() / int64(x.SectorSize()) * int64(x.SectorSize())
	return errors.Join(x.Zero(ctx, 0, endSize), x.Zero(ctx, end-endSize, endSize), x.Sync(), x.Reread(ctx))
}

// fillStripes writes the pattern for an offset: each stripe begins with its own offset
// and the seed, so that it shows what lies at the wrong place, or is an old one.
func fillStripes(p []byte, off int64, seed uint64) {
	le := binary.LittleEndian
	for i := 0; i < len(p); i += stripe {
		at := uint64(off) + uint64(i)
		le.PutUint64(p[i:], at)
		le.PutUint64(p[i+8:], seed)
		key := mix(at ^ seed)
		for j := i + 16; j < min(i+stripe, len(p)); j += 8 {
			key += 0x9e3779b97f4a7c15
			le.PutUint64(p[j:], mix(key))
		}
	}
}

// differ is where two blocks of equal length begin to differ, -1 if they don't.
func differ(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// misread puts into words what was read in place of what was written.
func misread(got, want []byte, at int, off int64, seed uint64) string {
	le := binary.LittleEndian
	s := at &^ (stripe - 1)
	has, of := int64(le.Uint64(got[s:])), le.Uint64(got[s+8:])
	switch {
	case of == seed && has != off+int64(s):
		return fmt.Sprintf("sector at byte %d holds what was written to byte %d", off+int64(s), has)
	case of != seed && has == off+int64(s):
		return fmt.Sprintf("sector at byte %d holds what was there before: it was not written", off+int64(s))
	}
	return fmt.Sprintf("byte %d: %02x instead of %02x", off+int64(at), got[at], want[at])
}
