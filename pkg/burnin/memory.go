package burnin

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/units"
)

const (
	// blockSize is what memory is taken, and compared, in: some huge pages.
	blockSize = 32 << 20
	// leastMemory is less than what is worth a test.
	leastMemory = 16 << 20
	// spareMemory is left to the system in any case, with a 64th of all: its root
	// may be memory, and what runs there needs some.
	spareMemory = 48 << 20
)

// memory writes patterns to most of what is free, and reads them back: in moving
// inversions (as in van de Goor, Testing Semiconductor Memories), up and down.
func (r *run) memory(ctx context.Context, t *trial) ([]finding, string) {
	f := finding{id: api.MemoryTest}
	began := time.Now()
	m := &memoryTest{run: r, trial: t, faults: faults{tell: func(s string) { r.warn(t.step, s) }}}
	size := r.toTry()
	defer m.release()
	if err := m.take(ctx, size); err != nil {
		f.err = err
		return []finding{f}, ""
	}
	for n := 0; m.goes(ctx) && r.more(n); n++ {
		if !m.try(ctx, patternAt(n, r.Seed)) {
			break
		}
		f.passes++
	}
	f.bytes, f.took = t.meter.bytes.Load(), time.Since(began)
	f.err = m.verdict()
	have := int64(0)
	for _, b := range m.mapped {
		have += int64(len(b))
	}
	if f.passes == 0 && f.err == nil && ctx.Err() == nil {
		r.warn(t.step, fmt.Sprintf("there was no time to compare all of %s once", units.Bytes(have)))
	}
	return []finding{f}, fmt.Sprintf("%s, %d patterns", units.Bytes(have), f.passes)
}

// toTry is how many bytes of memory to try.
func (r *run) toTry() int64 {
	total, free := r.meminfo("MemTotal"), r.meminfo("MemAvailable")
	n := min(int64(float64(free)*r.Memory), free-spareMemory-total/64)
	if r.seams.most > 0 {
		n = min(n, r.seams.most)
	}
	return n
}

// meminfo is a value of /proc/meminfo, in bytes.
func (r *run) meminfo(name string) int64 {
	for line := range strings.Lines(r.text("/proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			var kib int64
			fmt.Sscan(rest, &kib)
			return kib << 10
		}
	}
	return 0
}

type memoryTest struct {
	*run
	*trial
	faults faults
	mapped [][]byte
	blocks [][]uint64
}

// take gets so many bytes, or as many as there are without leaving less to others
// than they were to have, and as there is time for: half of it.
func (m *memoryTest) take(ctx context.Context, size int64) error {
	free := m.meminfo("MemAvailable")
	if size < leastMemory {
		return fmt.Errorf("no memory to try: %s are free, and some must be left", units.Bytes(free))
	}
	least := free - size - size/64
	half := m.began.Add(m.until.Sub(m.began) / 2)
	var next atomic.Int64
	var mu sync.Mutex
	var failed error
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for ctx.Err() == nil && time.Now().Before(half) {
				n := min(blockSize, size-(next.Add(1)-1)*blockSize) &^ 4095
				if n < 4096 || m.Root == "" && m.meminfo("MemAvailable")-n < least {
					return
				}
				b, err := lockedMemory(int(n))
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					m.mapped = append(m.mapped, b)
					m.blocks = append(m.blocks, unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/8))
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	if len(m.blocks) == 0 && failed == nil && ctx.Err() == nil {
		failed = fmt.Errorf("no memory to try: none was there in %v", units.Duration(time.Since(m.began)))
	}
	if len(m.blocks) == 0 {
		return failed
	}
	return nil
}

// lockedMemory is memory that is there, and stays.
func lockedMemory(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("take memory: %w", err)
	}
	unix.Madvise(b, unix.MADV_HUGEPAGE) // faster, and no matter if not
	if unix.Mlock(b) != nil {           // without the right to it: it may be swapped out later
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	}
	return b, nil
}

func (m *memoryTest) release() {
	for _, b := range m.mapped {
		unix.Munmap(b)
	}
}

func (m *memoryTest) goes(ctx context.Context) bool {
	return ctx.Err() == nil && time.Now().Before(m.until)
}

// try is one pattern over all of the memory. It tells whether it came to its end.
func (m *memoryTest) try(ctx context.Context, p *pattern) bool {
	q := p.inverted()
	return m.all(ctx, func(words []uint64, first uint64) { p.fill(words, first) }) &&
		m.all(ctx, func(words []uint64, first uint64) { p.turn(words, first, false, m.bad(p, words, first)) }) &&
		m.all(ctx, func(words []uint64, first uint64) { q.turn(words, first, true, m.bad(q, words, first)) }) &&
		m.all(ctx, func(words []uint64, first uint64) { p.compare(words, first, m.bad(p, words, first)) })
}

// all has all processors do something with all blocks, and tells whether there
// was time for that. The index of a word is its address over 8.
func (m *memoryTest) all(ctx context.Context, do func(words []uint64, first uint64)) bool {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(m.blocks)) {
		wait.Go(func() {
			for m.goes(ctx) {
				i := next.Add(1) - 1
				if i >= int64(len(m.blocks)) {
					return
				}
				words := m.blocks[i]
				if m.seams.memory != nil {
					m.seams.memory(words)
				}
				do(words, address(words)/8)
				m.meter.add(8 * len(words))
			}
		})
	}
	wait.Wait()
	return next.Load() >= int64(len(m.blocks)) && m.goes(ctx)
}

func address(words []uint64) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(words)))) }

// bad takes note of words that differ from a pattern.
func (m *memoryTest) bad(p *pattern, words []uint64, first uint64) func(int, uint64) {
	return func(i int, got uint64) {
		m.faults.add(func() string {
			want, at := p.word(first+uint64(i)), 8*(first+uint64(i))
			return fmt.Sprintf("address %#x%s: %016x instead of %016x (bits %016x; %s)", at, physical(at), got, want, got^want, p.name)
		})
	}
}

func (m *memoryTest) verdict() error {
	return m.faults.verdict("words were read back wrong")
}

// physical tells where a virtual address is in the machine's memory, as far as the
// kernel tells (Documentation/admin-guide/mm/pagemap.rst).
func physical(at uint64) string {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return ""
	}
	defer f.Close()
	page := uint64(os.Getpagesize())
	var b [8]byte
	if _, err := f.ReadAt(b[:], int64(at/page*8)); err != nil {
		return ""
	}
	var e uint64
	for i, x := range b {
		e |= uint64(x) << (8 * i)
	}
	const present, frame = 1 << 63, 1<<55 - 1
	if e&present == 0 || e&frame == 0 { // only root sees the frame
		return ""
	}
	return fmt.Sprintf(" (physical %#x)", e&frame*page+at%page)
}
