package ndztest

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

const goldens = "../../../../shared/testdata/ndz"

// TestGoldens finds nothing wrong with what the real tools wrote, and the data
// of the manifest in it.
func TestGoldens(t *testing.T) {
	b := Golden(t, filepath.Join(goldens, "manifest.json"))
	var m struct {
		Images []struct {
			File    string `json:"file"`
			Data    string `json:"data_sha256"`
			Sectors uint64 `json:"sectors_with_data"`
			Size    int64  `json:"ndz_size"`
			Key     string `json:"key_file"`
			Cipher  string `json:"encryption_key_file"`
		} `json:"images"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, g := range m.Images {
		t.Run(g.File, func(t *testing.T) {
			t.Parallel()
			b := Golden(t, filepath.Join(goldens, g.File))
			sum := sha256.New()
			r := Check(b, func(_ uint64, p []byte) { sum.Write(p) })
			if g.Key != "" || g.Cipher != "" {
				if len(r.Problems) != 1 {
					t.Errorf("problems: %q, want one", r.Problems)
				}
				return
			}
			if len(r.Problems) > 0 {
				t.Errorf("problems: %q", r.Problems)
			}
			if got := hex.EncodeToString(sum.Sum(nil)); got != g.Data || r.Sectors != g.Sectors {
				t.Errorf("%d sectors, %s, want %d, %s", r.Sectors, got, g.Sectors, g.Data)
			}
		})
	}
}

// image is two chunks of version 3: sectors 0 to 4 and 8 to 12 of 16, then 20
// to 24 of 32.
func image() []byte {
	le := binary.LittleEndian
	b := make([]byte, 2<<20)
	for i, words := range [][]uint32{
		{0x6969696b, 0, 0, 0, 4096, 2, 0, 16, 0, 0, 4, 8, 4},
		{0x6969696b, 0, 1, 0, 4096, 1, 16, 32, 0, 20, 4},
	} {
		c := b[i<<20:]
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(bytes.Repeat([]byte{1, 2, 3, 4}, (2-i)*4*512/4))
		w.Close()
		words[1] = uint32(z.Len())
		for k, v := range words {
			le.PutUint32(c[4*k:], v)
		}
		copy(c[4096:], z.Bytes())
	}
	return b
}

func TestProblems(t *testing.T) {
	const second = 1 << 20
	le := binary.LittleEndian
	put := func(off int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[off:], v); return b }
	}
	reloc := func(kind, sector, off, size uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			le.PutUint32(b[second+32:], 1)
			for i, v := range []uint32{kind, sector, off, size} {
				le.PutUint32(b[second+44+4*i:], v)
			}
			return b
		}
	}
	for _, tt := range []struct {
		name   string
		change func([]byte) []byte
		want   string // in the only problem, or the first of several; "" for none
	}{
		{"good", func(b []byte) []byte { return b }, ""},
		{"good address of LILO", reloc(3, 23, 507, 5), ""},
		{"good short sector", func(b []byte) []byte { return put(second+28, 24)(reloc(6, 23, 0, 1)(b)) }, ""},
		{"empty", func(b []byte) []byte { return nil }, "empty"},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, "multiple"},
		{"longer", func(b []byte) []byte { return append(b, 0) }, "multiple"},
		{"first chunk missing", func(b []byte) []byte { return b[second:] }, "index 1"},
		{"chunks swapped", func(b []byte) []byte { return append(bytes.Clone(b[second:]), b[:second]...) }, "index 1"},
		{"magic", put(0, 0x6969696e), "magic"},
		{"another version", put(second, 0x6969696a), "version 2"},
		{"size 0", put(4, 0), "size 0"},
		{"size large", put(4, 1044481), "size 1044481"},
		{"size small", func(b []byte) []byte { b[4]--; return b }, "not zero"},
		{"size one more", func(b []byte) []byte { b[4]++; return b }, "behind the stream"},
		{"index", put(8, 1), "index 1"},
		{"total", put(12, 2), "total 2"},
		{"area", put(16, 8192), "area"},
		{"no regions", put(20, 0), "0 regions"},
		{"negative regions", put(20, 0xffffffff), "-1 regions"},
		{"many regions", put(20, 508), "tables"},
		{"negative relocations", put(32, 0xffffffff), "-1 relocations"},
		{"many relocations", put(32, 100000), "100000 relocations"},
		{"relocations beyond the area", put(32, 253), "tables"},
		{"first", put(second+24, 17), "first sector 17"},
		{"last", put(28, 17), "first sector 16"},
		{"last before the regions", put(second+28, 23), "not in"},
		{"first behind the regions", put(24, 1), "first sector 1"},
		{"empty region", put(40, 0), "empty"},
		{"adjacent regions", put(44, 4), "no gap"},
		{"overlapping regions", put(44, 3), "no gap"},
		{"region beyond 32 bits", put(second+36, 0xffffffff), "region 0"},
		{"larger region", put(48, 5), "EOF"},
		{"smaller region", put(48, 3), "more than"},
		{"table padding", put(52, 1), "behind the tables"},
		{"chunk padding", put(second-4, 1), "padding"},
		{"data", func(b []byte) []byte { b[4096+9] ^= 0x10; return b }, "sectors"},
		{"checksum", func(b []byte) []byte { b[4096+int(b[4])-1] ^= 1; return b }, "checksum"},
		{"unknown relocation", reloc(7, 20, 0, 5), "kind 7"},
		{"relocation outside", reloc(3, 24, 0, 5), "in no region"},
		{"relocation partly outside", reloc(3, 23, 508, 5), "in no region"},
		{"relocation of a wrong size", reloc(4, 20, 0, 511), "kind 4"},
		{"descriptors outside", reloc(5, 20, 0, 2), "in no region"},
		{"short sector in the middle", reloc(6, 22, 0, 1), "kind 6"},
	} {
		r := Check(tt.change(image()), nil)
		switch {
		case tt.want == "" && len(r.Problems) > 0:
			t.Errorf("%s: %q, want none", tt.name, r.Problems)
		case tt.want != "" && (len(r.Problems) == 0 || !strings.Contains(r.Problems[0], tt.want)):
			t.Errorf("%s: %q, want %q", tt.name, r.Problems, tt.want)
		}
	}
}
