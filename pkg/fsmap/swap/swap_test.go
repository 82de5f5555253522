package swap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/fsmap"
	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

const uuidText = "01234567-89ab-cdef-0123-456789abcdef"

// area is a swap area of 1 MiB and a bit, with old data in it.
func area(t testing.TB, page int64) []byte {
	t.Helper()
	img := maptest.File(t, 1<<20+4096)
	noise := make([]byte, 1<<20+4096)
	rand.NewChaCha8([32]byte{}).Read(noise)
	if err := os.WriteFile(img, noise, 0o600); err != nil {
		t.Fatal(err)
	}
	maptest.Tool(t, "mkswap", "-p", fmt.Sprint(page), "-L", "a label", "-U", uuidText, img)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReal(t *testing.T) {
	for page := int64(4096); page <= 65536; page *= 2 {
		for _, big := range []bool{false, true} {
			b := area(t, page)
			for at := 1024; big && at < 1036; at += 4 {
				slices.Reverse(b[at : at+4])
			}
			got, err := Map(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Errorf("pages of %d, big %v: %v", page, big, err)
				continue
			}
			if diff := cmp.Diff([]extent.Range{{End: page}}, got.Used.Ranges()); diff != "" {
				t.Errorf("pages of %d: used (-want +got):\n%s", page, diff)
			}
			got.Used = extent.Set{}
			want := &fsmap.Map{Kind: "swap", Label: "a label", UUID: uuidText, Block: page,
				Size: int64(len(b)) / page * page}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pages of %d, big %v (-want +got):\n%s", page, big, diff)
			}
		}
	}
}

// TestKeep asks blkid whether a copy of the header is all there is to it.
func TestKeep(t *testing.T) {
	img := maptest.File(t, 1<<20)
	if err := os.WriteFile(img, area(t, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	f, size := maptest.Open(t, img)
	m, err := Map(f, size)
	if err != nil {
		t.Fatal(err)
	}
	got := maptest.Tool(t, "blkid", "-p", "-o", "export", maptest.Keep(t, img, m))
	for _, want := range []string{"TYPE=swap", "LABEL=a\\ label", "UUID=" + uuidText, "VERSION=1"} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("blkid tells of the copy:\n%swithout %s", got, want)
		}
	}
}

func TestState(t *testing.T) {
	base := area(t, 8192)
	for _, c := range []struct {
		name   string
		change func(b []byte)
		want   string
	}{
		{"swsusp", func(b []byte) { copy(b[8182:], "S1SUSPEND\x00") }, "holds a suspended system"},
		{"swsusp 2", func(b []byte) { copy(b[8182:], "S2SUSPEND\x00") }, "holds a suspended system"},
		{"uswsusp", func(b []byte) { copy(b[8182:], "ULSUSPEND\x00") }, "holds a suspended system"},
		{"a newer one", func(b []byte) { copy(b[8182:], "LINHIB0001") }, "holds a suspended system"},
		{"TuxOnIce", func(b []byte) { copy(b[8182:], "\xed\xc3\x02\xe9\x98\x56\xe5\x0c\x00\x00") }, "holds a suspended system"},
		{"suspended with other pages", func(b []byte) { copy(b[4086:], "S1SUSPEND\x00") }, "holds a suspended system"},
		{"version 0", func(b []byte) { copy(b[8182:], "SWAP-SPACE") }, "version 0"},
		{"version 2", func(b []byte) { b[1024] = 2 }, "version 2"},
		{"one page", func(b []byte) { clear(b[1028:1032]) }, "has 1 pages"},
		{"too many pages", func(b []byte) { binary.LittleEndian.PutUint32(b[1028:], 128) }, "has 129 pages"},
		{"a boot sector", func(b []byte) { b[510] = 0x55 }, "boot sector"},
		{"padding", func(b []byte) { b[1200] = 1 }, "padding"},
		{"btrfs made over it", func(b []byte) { copy(b[65536+64:], "_BHRfS_M") }, "btrfs"},
	} {
		b := bytes.Clone(base)
		c.change(b)
		var unsafe *fsmap.UnsafeError
		if _, err := Map(bytes.NewReader(b), int64(len(b))); !errors.As(err, &unsafe) || !strings.Contains(unsafe.Reason, c.want) {
			t.Errorf("%s: Map = %v; want unsafe, %s", c.name, err, c.want)
		}
	}

	b := bytes.Clone(base)
	copy(b[32758:], "SWAPSPACE2") // which of the two is the older?
	m, err := Map(bytes.NewReader(b), int64(len(b)))
	if err != nil || m.Used.Len() != 32768 {
		t.Errorf("with two signatures: Map = %+v, %v; want all of the larger page", m, err)
	}
}

func TestOther(t *testing.T) {
	b := make([]byte, 1<<20)
	for _, size := range []int64{0, 10, 4096, 1 << 20} {
		if _, err := Map(bytes.NewReader(b), size); !errors.Is(err, fsmap.ErrUnknown) {
			t.Errorf("of %d zeros: Map = %v", size, err)
		}
	}
	if _, err := Map(bytes.NewReader(b[:100]), 4096); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("of a header cut short: Map = %v", err)
	}
}

func FuzzMap(f *testing.F) {
	for page := int64(4096); page <= 16384; page *= 2 {
		f.Add(area(f, page)[:page])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size := int64(len(b)) + 1<<20
		m, err := Map(bytes.NewReader(append(bytes.Clone(b), make([]byte, 1<<20)...)), size)
		if err == nil && (m.Used.End() > m.Size || m.Size > size || !m.Used.Contains(extent.Range{End: 4096})) {
			t.Errorf("map of %d bytes: %v", m.Size, m.Used.Ranges())
		}
	})
}
