package maptest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Age runs n random operations on a directory tree: files of all sizes, some
// sparse, some in pieces, are made, appended to, overwritten, cut, renamed,
// linked and deleted, a third of all that was made in the end. A full
// filesystem is fine. The same seed does the same.
func Age(t testing.TB, dir string, seed uint64, n int) {
	t.Helper()
	a := &ager{t: t, dir: dir, r: rand.New(rand.NewPCG(seed, 1)), data: rand.NewChaCha8([32]byte{byte(seed), 7})}
	for range n {
		a.step()
	}
	a.r.Shuffle(len(a.files), func(i, j int) { a.files[i], a.files[j] = a.files[j], a.files[i] })
	for _, name := range a.files[:len(a.files)/3] {
		a.check(os.Remove(name))
	}
}

type ager struct {
	t     testing.TB
	dir   string
	r     *rand.Rand
	data  *rand.ChaCha8
	files []string
	made  int
}

func (a *ager) step() {
	switch k := a.r.IntN(20); {
	case k < 9 || len(a.files) == 0:
		a.create()
	case k < 12:
		a.change(os.O_APPEND, -1)
	case k < 14:
		a.change(0, a.r.Int64N(1<<18))
	case k < 15:
		a.check(os.Truncate(a.pick(), a.r.Int64N(1<<16)))
	case k < 16:
		i := a.r.IntN(len(a.files))
		name := a.name()
		if a.check(os.Rename(a.files[i], name)) {
			a.files[i] = name
		}
	case k < 17:
		name := a.name()
		if err := os.Symlink(a.pick(), name); !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) && a.check(err) {
			a.files = append(a.files, name)
		}
	default:
		i := a.r.IntN(len(a.files))
		a.check(os.Remove(a.files[i]))
		a.files[i] = a.files[len(a.files)-1]
		a.files = a.files[:len(a.files)-1]
	}
}

func (a *ager) pick() string { return a.files[a.r.IntN(len(a.files))] }

// name is a new one, in one of a few directories of two levels.
func (a *ager) name() string {
	dir := filepath.Join(a.dir, fmt.Sprintf("d%d", a.r.IntN(6)), fmt.Sprintf("e%d", a.r.IntN(4)))
	a.check(os.MkdirAll(dir, 0o755))
	a.made++
	return filepath.Join(dir, fmt.Sprintf("file %d of a long enough name", a.made))
}

func (a *ager) create() {
	name := a.name()
	f, err := os.Create(name)
	if !a.check(err) {
		return
	}
	defer f.Close()
	a.files = append(a.files, name)
	size := 1 << a.r.IntN(19)
	a.write(f, size)
	if a.r.IntN(4) == 0 { // a hole, and something behind it
		if _, err := f.Seek(a.r.Int64N(1<<20), 1); err == nil {
			a.write(f, size/2)
		}
	}
}

// change writes a piece into a file, at off or where flag says.
func (a *ager) change(flag int, off int64) {
	name := a.pick()
	if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|flag, 0)
	if !a.check(err) {
		return
	}
	defer f.Close()
	if off >= 0 {
		_, err := f.Seek(off, 0)
		a.check(err)
	}
	a.write(f, 1+a.r.IntN(1<<16))
}

func (a *ager) write(f *os.File, n int) {
	b := make([]byte, n)
	a.data.Read(b)
	if a.r.IntN(3) == 0 {
		clear(b[n/2:])
	}
	_, err := f.Write(b)
	a.check(err)
}

// check tells whether it went well; a full disk and a file that is gone are
// part of life.
func (a *ager) check(err error) bool {
	if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.EFBIG) {
		a.t.Fatal(err)
	}
	return err == nil
}
