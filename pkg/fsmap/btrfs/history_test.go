package btrfs

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/fsmap/maptest"
)

// TestByChance makes, mounts and ages filesystems by chance.
func TestByChance(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages filesystems")
	}
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 8))
		pick := func(of ...string) string { return of[r.IntN(len(of))] }
		args := []string{"-n", pick("4k", "8k", "16k", "32k"), "-m", pick("single", "dup"), "-d", pick("single", "dup"), "--csum", pick("crc32c", "xxhash", "sha256", "blake2")}
		options := []string{"compress-force=" + pick("none", "zlib", "lzo", "zstd"), "max_inline=" + pick("0", "2048"), "commit=" + pick("1", "300")}
		t.Run(fmt.Sprint(args, options), func(t *testing.T) {
			path := makeFS(t, 256*mib, args...)
			tree := live(t, path, seed+50, 50+r.IntN(200), options...)
			m := mapFile(t, path)
			maptest.Superset(t, m.Used, oracle(t, path), true)
			enough(t, path, m, tree, options...)
		})
	}
}

// A filesystem that once spanned two devices, was resized and balanced is on
// one device with another number, at other addresses.
func TestMovedAndBalanced(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and ages a filesystem")
	}
	first, second := makeFS(t, 256*mib), maptest.File(t, 512*mib)
	dir, unmount := maptest.Mount(t, first, "btrfs")
	maptest.Age(t, dir, 3, 150)
	loop := strings.TrimSpace(maptest.Tool(t, "losetup", "-f", "--show", second))
	detach := func() { maptest.Tool(t, "losetup", "-d", loop) }
	defer func() { detach() }()
	maptest.Tool(t, "btrfs", "device", "add", "-f", loop, dir)
	maptest.Tool(t, "btrfs", "filesystem", "sync", dir)
	refused(t, second, "spans 2 devices")
	maptest.Tool(t, "btrfs", "device", "remove", "1", dir)
	maptest.Tool(t, "btrfs", "balance", "start", "--full-balance", "-f", "-mconvert=single", "-dconvert=dup", dir)
	maptest.Tool(t, "btrfs", "filesystem", "resize", "2:400M", dir)
	tree := maptest.Tree(t, dir)
	unmount()
	detach()
	detach = func() {}

	m := mapFile(t, second)
	if m.Size != 400*mib {
		t.Errorf("size is %d", m.Size)
	}
	maptest.Superset(t, m.Used, oracle(t, second), true)
	enough(t, second, m, tree)

	// The first device is left without a superblock.
	f, size := maptest.Open(t, first)
	if _, err := Map(f, size); err == nil {
		t.Error("a removed device is mapped")
	}
}

// What this kernel may not mount can be made with content all the same.
func TestUnmounted(t *testing.T) {
	dir := t.TempDir()
	maptest.Age(t, dir, 11, 150)
	for _, args := range []string{"-s 16k -n 16k", "-s 64k -n 64k", "-s 4k -n 64k -m dup -d dup", "-n 4k --shrink -m single -d single"} {
		t.Run(args, func(t *testing.T) {
			path := makeFS(t, 512*mib, append(strings.Fields(args), "-r", dir)...)
			maptest.Superset(t, mapFile(t, path).Used, oracle(t, path), true)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		})
	}
}
