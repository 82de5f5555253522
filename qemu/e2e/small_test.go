package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

const (
	mib    = 1 << 20
	sector = 512
)

// small is an image small enough to be written many times, and what the disk
// that it is written to holds before.
type small struct {
	path  string       // of the image
	index *image.Index // of the image
	disk  []byte       // that the image was made from
	old   []byte       // a larger disk with an older system
}

// small makes an ext4 with some 60 MiB of files, on a disk that an MBR's boot
// code and a GPT make bootable.
func (l *lab) small() *small {
	l.Helper()
	random := rand.NewChaCha8([32]byte{1})
	files := l.TempDir()
	for i := range 6 {
		b := make([]byte, 10*mib)
		random.Read(b)
		l.check(os.WriteFile(filepath.Join(files, fmt.Sprint("file", i)), b, 0o644))
	}
	s := l.extImage("small", files, "-t", "ext4")
	s.old = bootable(160*mib, 2, random)
	return s
}

// extImage makes an image of a disk with one partition, an ext that mke2fs
// makes of the files in a directory.
func (l *lab) extImage(name, files string, options ...string) *small {
	l.Helper()
	dir := l.TempDir()
	disk := filepath.Join(dir, "disk")
	l.check(os.WriteFile(disk, bootable(128*mib, 1, nil), 0o644))
	mke2fs := exec.Command("mke2fs", append(options, "-q", "-F", "-E", "offset=1048576", "-d", files, disk, "126M")...)
	if out, err := mke2fs.CombinedOutput(); err != nil {
		l.Fatalf("mke2fs (package e2fsprogs): %v\n%s", err, out)
	}
	s := &small{path: filepath.Join(dir, name+".img.zst")}
	_, err := imaging.Save(l.ctx, imaging.SaveOptions{Disk: disk, Dest: s.path})
	l.check(err)
	s.disk, err = os.ReadFile(disk)
	l.check(err)
	f, err := os.Open(s.path)
	l.check(err)
	defer f.Close()
	st, err := f.Stat()
	l.check(err)
	s.index, err = image.ReadIndex(f, st.Size())
	l.check(err)
	return s
}

// bootable is a disk of size bytes with boot code and a GPT that has one
// partition, filled from content.
func bootable(size int64, id byte, content io.Reader) []byte {
	b := make([]byte, size)
	if content != nil {
		if _, err := io.ReadFull(content, b); err != nil {
			panic(err)
		}
	}
	g, err := partition.NewGPT(size, sector, partition.GUID{id}, []partition.Entry{{Type: partition.LinuxData, ID: partition.GUID{id, 1}}})
	if err != nil {
		panic(err)
	}
	for _, p := range g.Pieces() {
		copy(b[p.Off:], p.Data)
	}
	copy(b, fmt.Sprintf("boot code %d", id))
	return b
}

// oldDisk is a file with the disk as it was before.
func (s *small) oldDisk(l *lab) string {
	l.Helper()
	path := filepath.Join(l.TempDir(), "disk")
	l.check(os.WriteFile(path, s.old, 0o644))
	return path
}

// sound is the promise about a disk that lost its power: it holds the old
// system, untouched, or the image, all of it, or nothing that firmware or a
// kernel could take for a system.
func (s *small) sound(disk []byte) error {
	if signed := disk[sector-2] == 0x55 && disk[sector-1] == 0xaa; signed {
		if bytes.Equal(disk, s.old) {
			return nil
		}
		return s.complete(disk)
	}
	r := bytes.NewReader(disk)
	if t, err := partition.Read(r, sector); err != nil || t.Scheme != partition.SchemeNone {
		return fmt.Errorf("a partition table without a boot sector: %+v, %v", t, err)
	}
	// Without its first sector a GPT is none; all the same one may only be
	// there while the old one is being cleared, or when all else is in place.
	primary, _ := partition.DecodeGPT(r, sector)
	backup, _ := partition.DecodeBackup(r, sector, int64(len(disk)))
	for _, g := range []*partition.GPT{primary, backup} {
		switch {
		case g == nil:
		case g.Header.DiskID == (partition.GUID{2}):
			if at := s.foreign(disk); at >= 0 {
				return fmt.Errorf("the old partition table is there, and at byte %d what is neither old nor cleared", at)
			}
		default:
			if err := s.holds(disk); err != nil {
				return fmt.Errorf("the new partition table is there: %w", err)
			}
		}
	}
	return nil
}

// foreign finds a byte that is neither the old disk's nor zero; -1 for none.
func (s *small) foreign(disk []byte) int {
	for at := 0; at < len(disk); at += 4096 {
		a, b := disk[at:at+4096], s.old[at:at+4096]
		if bytes.Equal(a, b) {
			continue
		}
		for i := range a {
			if a[i] != b[i] && a[i] != 0 {
				return at + i
			}
		}
	}
	return -1
}

// complete tells why the disk does not hold all of the image.
func (s *small) complete(disk []byte) error {
	r := bytes.NewReader(disk)
	primary, err := partition.DecodeGPT(r, sector)
	if err != nil {
		return err
	}
	backup, err := partition.DecodeBackup(r, sector, int64(len(disk)))
	if err != nil {
		return err
	}
	t, err := partition.Read(r, sector)
	if err != nil {
		return err
	}
	want, err := partition.Read(bytes.NewReader(s.disk), sector)
	if err != nil {
		return err
	}
	for _, g := range []*partition.GPT{primary, backup, t.GPT} {
		if g.Header.DiskID != want.GPT.Header.DiskID || g.Entries()[0] != want.GPT.Entries()[0] {
			return fmt.Errorf("the partition table is %+v, want %+v", g, want.GPT)
		}
	}
	if !bytes.Equal(disk[:440], s.disk[:440]) {
		return errors.New("the boot code is another")
	}
	return s.holds(disk)
}

// holds tells why the disk does not hold what the image has in use, its
// partition table left out.
func (s *small) holds(disk []byte) error {
	for r := range s.index.UsedIn(extent.Range{Off: mib, End: s.index.Size - 34*sector}) {
		if !bytes.Equal(disk[r.Off:r.End], s.disk[r.Off:r.End]) {
			return fmt.Errorf("bytes %d to %d are not the image's", r.Off, r.End)
		}
	}
	return nil
}

// missing counts the bytes in use of the spans that the disk does not hold, and
// what fetching those spans takes.
func (s *small) missing(disk []byte) (used, stored int64) {
	for _, f := range s.index.Frames() {
		r := s.index.Range(f)
		same, n := true, int64(0)
		for u := range s.index.UsedIn(r) {
			same = same && bytes.Equal(disk[u.Off:u.End], s.disk[u.Off:u.End])
			n += u.Len()
		}
		if !same {
			used += n
			stored += f.Stored
		}
	}
	return used, stored
}
