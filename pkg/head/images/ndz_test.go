package images

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
)

func TestVerifyNDZ(t *testing.T) {
	disk := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(disk) // it takes several chunks
	good := packed.Disk(t, disk)
	for _, test := range []struct {
		name, file string
		data       []byte
		want       string // part of the reason, "" for accepted
	}{
		{"sound", "a.ndz", good, ""},
		{"under another name", "a", good, ""},
		{"a bit of the data", "a.ndz", flip(good, 5000), "ndz chunk 0"},
		{"a bit of a header", "a", flip(good, 40), "ndz chunk 0"},
		{"cut within a chunk", "a.ndz", good[:len(good)-1], "cut short"},
		{"begins with another chunk", "a", good[ndz.ChunkSize:], "ndz chunk 0"},
		{"something else", "a.ndz", []byte("hello"), "no chunk"},
		{"nothing", "a.ndz", nil, "cut short"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openOrbit(t, dir)
			err := put(t, s, test.file, test.data)
			if test.want == "" {
				list, lerr := s.List()
				if err != nil || lerr != nil || len(list) != 1 || list[0].Format != FormatNDZ || list[0].Disk != int64(len(disk)) {
					t.Errorf("put: %v; listed as %+v, %v", err, list, lerr)
				}
				return
			}
			var reject *RejectError
			if !errors.As(err, &reject) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("put: %v, want it refused for %q", err, test.want)
			}
			noTraces(t, dir)
		})
	}
}

// Where a filesystem says more than there is, whole chunks are missing.
func TestVerifyCutNDZ(t *testing.T) {
	const golden = "../../../../shared/testdata/ndz/ext2-fragmented-v3.ndz.gz"
	whole := ndztest.Golden(t, golden)
	for name, file := range map[string][]byte{"v3": whole, "v1": ndztest.Version1(whole, false)} {
		s := openOrbit(t, t.TempDir())
		if err := put(t, s, name, file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err := put(t, s, name+"-cut", file[:len(file)-ndz.ChunkSize])
		if reject := new(RejectError); !errors.As(err, &reject) || !strings.Contains(err.Error(), "filesystem needs") {
			t.Errorf("%s cut between chunks: %v, want it refused", name, err)
		}
	}
}

// All that the real tools wrote is taken: also what is signed or encrypted with
// keys that the head has not.
func TestVerifyGoldenNDZ(t *testing.T) {
	paths, err := filepath.Glob("../../../../shared/testdata/ndz/*.ndz.gz")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Skip("no images of the real tools here")
	}
	s := openOrbit(t, t.TempDir())
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gz")
		if err := put(t, s, name, ndztest.Golden(t, path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := s.List()
	if err != nil || len(list) != len(paths) {
		t.Errorf("%d of %d images listed, %v", len(list), len(paths), err)
	}
	for _, i := range list {
		if i.Format != FormatNDZ || i.Disk == 0 {
			t.Errorf("listed as %+v", i)
		}
	}
}

func TestFormats(t *testing.T) {
	s := openOrbit(t, t.TempDir())
	disk := diskOf(1, 0, 2)
	orbit, _ := pack(t, disk, nil)
	for name, data := range map[string][]byte{"orbit": orbit, "zstd": zstdOf(t, disk), "ndz": packed.Disk(t, disk), "raw": disk, "empty": nil} {
		if err := put(t, s, name, data); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for range 2 { // the second time from memory
		list, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]Image{}
		for _, i := range list {
			got[i.Name] = Image{Format: i.Format, Disk: i.Disk}
		}
		size := int64(len(disk))
		want := map[string]Image{
			"orbit": {Format: FormatOrbit, Disk: size}, "zstd": {Format: "zstd"}, "ndz": {Format: FormatNDZ, Disk: size},
			"raw": {Format: "raw"}, "empty": {Format: "raw"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("formats (-want +got):\n%s", diff)
		}
	}
}

func TestModified(t *testing.T) {
	s := open(t, t.TempDir())
	u := upload(t, s, "a", "hello")
	u.Modified = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	image, _, err := u.Commit(t.Context(), "")
	if err != nil || !image.Modified.Equal(u.Modified) {
		t.Errorf("commit: %+v, %v", image, err)
	}
	f, err := s.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.ModTime().Equal(u.Modified) {
		t.Errorf("modified %v, %v", st.ModTime(), err)
	}
}
