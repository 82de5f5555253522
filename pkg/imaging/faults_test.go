package imaging

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// A bit of every span is wrong the first time it is sent, wherever in the file
// it is: all of them are fetched again.
func TestFlippedOnce(t *testing.T) {
	disk, used, file, x := faultDisk(t)
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 3))
		flipped := map[int64]bool{}
		l := &liar{file: file, etag: `"a"`, bend: func(_ int, a *answer) {
			for _, f := range x.Frames() {
				if f.Kind != image.Data || flipped[f.Off] || f.Off < a.first || f.Off+f.Stored > a.last+1 {
					continue
				}
				flipped[f.Off] = true
				a.body[f.Off-a.first+4+r.Int64N(f.Stored-8)] ^= 1 << r.IntN(8)
			}
		}}
		m, told, err := fetch(t, l, WriteOptions{Root: x.Root()})
		if err != nil {
			t.Fatal(err)
		}
		arrived(t, m, disk, used)
		again := 0
		for _, text := range told.all() {
			if strings.Contains(text, "fetching it again") {
				again++
			}
		}
		if again < len(flipped)-2 || len(flipped) < 8 { // spans of the head are read before anyone listens
			t.Errorf("%d of %d flipped spans were fetched again: %q", again, len(flipped), told.all())
		}
	}
}

// A bit is wrong every time.
func TestFlippedAlways(t *testing.T) {
	_, _, file, x := faultDisk(t)
	n := 0
	for _, f := range x.Frames() {
		if f.Kind != image.Data {
			continue
		}
		bent := bytes.Clone(file)
		bent[f.Off+f.Stored/2] ^= 4
		m, _, err := fetch(t, &liar{file: bent, etag: `"a"`}, WriteOptions{})
		if f.First == 0 || f.First == (size-1)/mib { // tables, which are read first
			refused(t, err, "fetched 3 times")
			same(t, "disk", m.data, bytesOf(t, noise(t, size)))
			continue
		}
		n++
		failed(t, err, "fetched 3 times")
		noTableIn(t, m)
	}
	if n < 6 {
		t.Errorf("only %d spans", n)
	}
}

// The end of the file is missing or damaged.
func TestDamagedIndex(t *testing.T) {
	disk, used, file, x := faultDisk(t)
	old := bytesOf(t, noise(t, size))
	for _, cut := range []int64{1, 40, 64, 100, int64(len(file)) - x.DataEnd() - 1} {
		m, _, err := fetch(t, &liar{file: file[:int64(len(file))-cut], etag: `"a"`}, WriteOptions{})
		broke(t, err, "ends too early")
		if len(m.data) > 0 {
			noTableIn(t, m)
		}
		m, _, err = fetch(t, &liar{file: file[:int64(len(file))-cut], etag: `"a"`}, WriteOptions{Root: x.Root()})
		refused(t, err, "no index")
		same(t, "disk", m.data, old)
	}
	for off := x.DataEnd(); off < int64(len(file)); off += 1 + (int64(len(file))-x.DataEnd())/23 {
		bent := bytes.Clone(file)
		bent[off] ^= 0x10
		m, _, err := fetch(t, &liar{file: bent, etag: `"a"`}, WriteOptions{Root: x.Root()})
		if err == nil {
			t.Errorf("the index is wrong at %d, and nobody minds", off-x.DataEnd())
		}
		if errors.As(err, new(*RefusedError)) {
			same(t, "disk", m.data, old)
		} else if len(m.data) > 0 {
			noTableIn(t, m)
		}
	}
	m, _, err := fetch(t, &liar{file: file[:x.DataEnd()], etag: `"a"`}, WriteOptions{}) // any zstd file
	if err != nil {
		t.Fatal(err)
	}
	arrived(t, m, disk, used)
}

// The server says other things than it does, from its second or third answer on.
func TestLies(t *testing.T) {
	disk, used, file, _ := faultDisk(t)
	for _, c := range []struct {
		name  string
		bend  func(a *answer)
		typed any // nil: it goes well all the same
	}{
		{"another place", func(a *answer) { a.first, a.last = a.first+512, a.last+512 }, new(*transfer.RangeError)},
		{"too much", func(a *answer) { a.last += 9; a.body = append(a.body, make([]byte, 9)...) }, new(*transfer.RangeError)},
		{"less than it says", func(a *answer) { a.body = a.body[:len(a.body)/2] }, new(*transfer.RangeError)},
		{"the whole", func(a *answer) { a.code, a.body = http.StatusOK, bytes.Clone(file) }, new(*transfer.RangeError)},
		{"another size", func(a *answer) { a.total += 4096 }, new(*transfer.ChangedError)},
		{"another file", func(a *answer) { a.etag = `"b"` }, new(*transfer.ChangedError)},
		{"another whole file", func(a *answer) { a.code, a.etag, a.body = http.StatusOK, `"b"`, bytes.Clone(file) }, new(*transfer.ChangedError)},
		{"gone", func(a *answer) { a.code, a.body = http.StatusNotFound, nil }, new(*transfer.StatusError)},
		{"other bytes", func(a *answer) { clear(a.body) }, new(*image.FormatError)},
		{"short body", func(a *answer) {
			if len(a.body) > 256<<10 {
				a.send = func(w http.ResponseWriter, body []byte) { reset(w, body[:len(body)/2]) }
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &liar{file: file, etag: `"a"`, bend: func(n int, a *answer) {
				if n > 2 {
					c.bend(a)
				}
			}}
			m, _, err := fetch(t, l, WriteOptions{})
			if c.typed == nil {
				if err != nil {
					t.Fatal(err)
				}
				arrived(t, m, disk, used)
				return
			}
			failed(t, err, "")
			if !errors.As(err, c.typed) {
				t.Errorf("error is not a %T: %v", c.typed, err)
			}
			noTableIn(t, m)
		})
	}
}

// Connections are reset after any number of bytes.
func TestResets(t *testing.T) {
	disk, used, file, x := faultDisk(t)
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		l := &liar{file: file, etag: `"a"`, bend: func(_ int, a *answer) {
			if r.IntN(3) > 0 {
				after := r.IntN(len(a.body) + 1)
				a.send = func(w http.ResponseWriter, body []byte) { reset(w, body[:after]) }
			}
		}}
		m, _, err := fetch(t, l, WriteOptions{Root: x.Root()})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		arrived(t, m, disk, used)
	}
}
