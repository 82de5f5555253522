package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"path/filepath"
	"sync"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/frisbee"
	"github.com/orbit-pxe/orbit/pkg/ndz"
	"github.com/orbit-pxe/orbit/pkg/ndz/ndztest/packed"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// TestSoloDamagedOnce has chunks come damaged the first time, those with the head of
// the disk included. They are asked for again, and nothing that the bad ones said
// is believed.
func TestSoloDamagedOnce(t *testing.T) {
	disk := gptImage(t, 48*mib, 512)
	clear(disk[4*mib : 20*mib]) // the first chunk expands to more than is looked at at a time
	file := packed.Used(t, disk, extent.NewSet(extent.Range{End: 48 * mib}))
	end := func(b []byte) int { return ndz.HeaderSize + int(binary.LittleEndian.Uint32(b[4:])) }
	data := func(b []byte) { b[end(b)-3000] ^= 1 }
	for name, c := range map[string]struct {
		chunk  int32
		damage func(b []byte)
	}{
		"head":           {0, data},
		"early":          {1, data},
		"data":           {7, data},
		"header":         {7, func(b []byte) { b[0] ^= 1 }},
		"header forged":  {7, func(b []byte) { b[29]++; data(b) }}, // where it ends
		"regions forged": {7, func(b []byte) { b[40]++; data(b) }},
		"early forged":   {1, func(b []byte) { b[29]++; data(b) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			room := newClassroom(t, nil, lab.Options{})
			var once sync.Once
			room.tune = func(o *frisbee.ClientOptions) {
				take := o.Chunk
				o.Chunk = func(ctx context.Context, k int32, b []byte) error {
					if k == c.chunk {
						once.Do(func() {
							b = bytes.Clone(b)
							c.damage(b)
						})
					}
					return take(ctx, k, b)
				}
			}
			room.serve(bytes.NewReader(file), int64(len(file)), 0)
			o := room.alone(filepath.Join(t.TempDir(), "disk"))
			room.write(o)
			same(t, "disk", bytesOf(t, o.Disk), disk)
		})
	}
}
