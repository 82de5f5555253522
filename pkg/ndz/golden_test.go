package ndz

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
)

// goldens is where images are that the real tools wrote.
const goldens = "../../../shared/testdata/ndz"

// golden is what the manifest tells of an image.
type golden struct {
	File   string `json:"file"`
	SHA256 string `json:"ndz_sha256"`
	Chunks []struct {
		Version int         `json:"ver"`
		Size    int         `json:"size"`
		Index   int32       `json:"index"`
		Total   int32       `json:"total"`
		Regions int         `json:"regioncount"`
		First   *uint64     `json:"first"`
		Last    *uint64     `json:"last"`
		Relocs  [][4]uint64 `json:"relocs"`
		Data    string      `json:"data_sha256"`
	} `json:"chunks"`
	Sectors int64  `json:"sectors_with_data"`
	Data    string `json:"data_sha256"`
	Zero    struct {
		Size   int64  `json:"size"`
		SHA256 string `json:"sha256"`
	} `json:"zero_filled"`
	Ranges []struct {
		Start  int64  `json:"start"`
		Count  int64  `json:"count"`
		SHA256 string `json:"sha256"`
	} `json:"ranges"`
	RegionsHead  [][2]int64 `json:"regions_head"`
	RegionsCount int        `json:"regions_count_merged"`
	Relocated    *struct {
		Start   uint64 `json:"target_start"`
		Sectors uint64 `json:"target_sectors"`
		SHA256  string `json:"sha256"`
	} `json:"relocated"`
	Key    string `json:"key_file"`
	Cipher string `json:"encryption_key_file"`
	Delta  bool   `json:"is_delta"`
	Base   string `json:"delta_base"`
}

func (g golden) sealed() bool { return g.Key != "" || g.Cipher != "" }

func readGoldens(t testing.TB) []golden {
	t.Helper()
	b := load(t, "manifest.json")
	var m struct {
		Images []golden `json:"images"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Images) == 0 {
		t.Fatal("no images in the manifest")
	}
	return m.Images
}

// load reads an image of the real tools, or what goes with them.
func load(t testing.TB, name string) []byte {
	t.Helper()
	return ndztest.Golden(t, filepath.Join(goldens, name))
}

func hexSum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// disk is a file in memory that grows, and can be written from several
// goroutines.
type disk struct {
	mu    sync.Mutex
	data  []byte
	wrote extent.Set
}

func (d *disk) put(off int64, p []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if end := off + int64(len(p)); end > int64(len(d.data)) {
		d.data = append(d.data, make([]byte, end-int64(len(d.data)))...)
	}
	r := extent.Range{Off: off, End: off + int64(len(p))}
	if d.wrote.Overlaps(r) {
		return errors.New("written twice")
	}
	d.wrote.Add(r)
	copy(d.data[off:], p)
	return nil
}

func TestGoldens(t *testing.T) {
	for _, g := range readGoldens(t) {
		t.Run(strings.TrimSuffix(g.File, ".ndz.gz"), func(t *testing.T) {
			t.Parallel()
			b := load(t, g.File)
			if hexSum(b) != g.SHA256 {
				t.Fatal("not the image of the manifest")
			}
			checkHeaders(t, g, b)
			if g.sealed() {
				_, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
				if !errors.Is(err, ErrSeal) {
					t.Errorf("without a key: %v, want %v", err, ErrSeal)
				}
				return // package seal has its own test
			}
			checkDisk(t, g, b)
			checkStream(t, g, b)
			checkRead(t, g, b)
			checkRelocated(t, g, b)
		})
	}
}

// checkHeaders compares headers with the manifest, and writes them again.
func checkHeaders(t *testing.T, g golden, b []byte) {
	t.Helper()
	if want := len(g.Chunks) * ChunkSize; len(b) != want {
		t.Fatalf("%d bytes, want %d", len(b), want)
	}
	for i, want := range g.Chunks {
		h, err := ParseHeader(b[i*ChunkSize:])
		if err != nil {
			t.Fatalf("chunk %d: %v", i, err)
		}
		if h.Version != want.Version || h.Size != want.Size || h.Index != want.Index || h.Total != want.Total || len(h.Regions) != want.Regions {
			t.Errorf("chunk %d: %+v, want %+v", i, h, want)
		}
		if want.First != nil && h.First != *want.First || want.Last != nil && h.Last != *want.Last {
			t.Errorf("chunk %d speaks for %d to %d, want %d to %d", i, h.First, h.Last, *want.First, *want.Last)
		}
		var relocs [][4]uint64
		for _, r := range h.Relocs {
			relocs = append(relocs, [4]uint64{uint64(r.Type), r.Sector, uint64(r.Offset), r.Size})
		}
		if len(want.Relocs) == 0 {
			want.Relocs = nil
		}
		if diff := cmp.Diff(want.Relocs, relocs); diff != "" {
			t.Errorf("chunk %d: relocations (-want +got):\n%s", i, diff)
		}
		again, err := h.AppendTo(nil)
		if err != nil {
			t.Errorf("chunk %d: %v", i, err)
		}
		if !bytes.Equal(again, b[i*ChunkSize:][:HeaderSize]) {
			t.Errorf("chunk %d: its header is not written as it was read", i)
		}
	}
}

// checkDisk expands an image of a whole disk, in both ways: what is free is
// left alone, or zeroed.
func checkDisk(t *testing.T, g golden, b []byte) {
	t.Helper()
	m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Used().Align(Sector).Len(); n != g.Sectors*Sector {
		t.Errorf("%d bytes in use, want %d", n, g.Sectors*Sector)
	}
	if m.Size() != g.Zero.Size {
		t.Errorf("%d bytes, want %d", m.Size(), g.Zero.Size)
	}
	var d disk
	if err := m.Each(t.Context(), 0, m.Chunks(), d.put); err != nil {
		t.Fatal(err)
	}
	if !d.wrote.Equal(m.Used()) {
		t.Errorf("wrote %v, want %v", d.wrote, m.Used())
	}
	if len(g.Ranges) > 0 && len(m.Used().Ranges()) != len(g.Ranges) {
		t.Errorf("%d ranges, want %d", m.Used().Count(), len(g.Ranges))
	}
	if g.RegionsCount > 0 && m.Used().Count() != g.RegionsCount {
		t.Errorf("%d ranges, want %d", m.Used().Count(), g.RegionsCount)
	}
	for i, r := range g.RegionsHead {
		want := extent.Range{Off: r[0] * Sector, End: (r[0] + r[1]) * Sector}
		if got := m.Used().Ranges()[i]; got != want {
			t.Errorf("range %d is %v, want %v", i, got, want)
		}
	}
	short, changed := m.Size()%Sector != 0, false
	for _, c := range g.Chunks {
		changed = changed || len(c.Relocs) > 0
	}
	for _, r := range g.Ranges {
		if got := hexSum(d.data[r.Start*Sector : min((r.Start+r.Count)*Sector, m.Size())]); got != r.SHA256 && !short && !changed {
			t.Errorf("range at %d: %s, want %s", r.Start, got, r.SHA256)
		}
	}

	// Over something else: what is not in use must stay, or become zeros.
	old := bytes.Repeat([]byte("junk"), int(m.Size()+3)/4)[:m.Size()]
	d = disk{data: bytes.Clone(old)}
	if err := m.Each(t.Context(), 0, m.Chunks(), d.put); err != nil {
		t.Fatal(err)
	}
	for r := range m.Used().Complement(extent.Range{End: m.Size()}).All() {
		if !bytes.Equal(d.data[r.Off:r.End], old[r.Off:r.End]) {
			t.Errorf("%v is not in use and was changed", r)
		}
	}
	for r := range m.Free().All() {
		clear(d.data[r.Off:r.End])
	}
	if got := hexSum(d.data); got != g.Zero.SHA256 {
		t.Errorf("zero-filled %s, want %s", got, g.Zero.SHA256)
	}
	if !m.Used().Union(m.Free()).Equal(extent.NewSet(extent.Range{End: m.Size()})) || !m.Used().Intersect(m.Free()).Empty() {
		t.Errorf("used %v and free %v are not all of the disk", m.Used().Ranges(), m.Free().Ranges())
	}
}

func checkStream(t *testing.T, g golden, b []byte) {
	t.Helper()
	r := NewReader(bytes.NewReader(b), Options{Workers: 3})
	d := disk{data: make([]byte, g.Zero.Size)}
	if err := r.Each(t.Context(), d.put); err != nil {
		t.Fatal(err)
	}
	if r.Size() != g.Zero.Size || hexSum(d.data) != g.Zero.SHA256 {
		t.Errorf("as a stream: %d bytes, %s, want %d, %s", r.Size(), hexSum(d.data), g.Zero.Size, g.Zero.SHA256)
	}
}

func checkRead(t *testing.T, g golden, b []byte) {
	t.Helper()
	m, err := Open(t.Context(), bytes.NewReader(b), int64(len(b)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := m.View(t.Context())
	got, err := io.ReadAll(io.NewSectionReader(v, 0, 1<<62))
	if err != nil {
		t.Fatal(err)
	}
	if hexSum(got) != g.Zero.SHA256 {
		t.Errorf("as a disk: %s, want %s", hexSum(got), g.Zero.SHA256)
	}
	p := make([]byte, 5000)
	for off := int64(len(got)) - 5000; off >= 0; off -= max(5000, int64(len(got))/20) {
		if _, err := v.ReadAt(p, off); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, got[off:][:5000]) {
			t.Fatalf("as a disk, backwards: differs at %d", off)
		}
	}
}

// checkRelocated expands the image of a partition into another one.
func checkRelocated(t *testing.T, g golden, b []byte) {
	t.Helper()
	if g.Relocated == nil {
		return
	}
	target := Target{Start: g.Relocated.Start, Sectors: g.Relocated.Sectors}
	r := NewReader(bytes.NewReader(b), Options{Target: target, Room: int64(target.Sectors) * Sector})
	d := disk{data: make([]byte, target.Sectors*Sector)}
	if err := r.Each(t.Context(), d.put); err != nil {
		t.Fatal(err)
	}
	if got := hexSum(d.data); got != g.Relocated.SHA256 {
		t.Errorf("in a partition: %s, want %s", got, g.Relocated.SHA256)
	}
}
